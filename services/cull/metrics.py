"""The culler's numbers for Prometheus. Every series is there from the start, at 0."""

from common.config.settings_file import Reload
from common.web.metrics import Metrics
from services.cull.passes.candidates import STATES
from services.cull.passes.hub_health import HubWatch
from services.cull.passes.results import Done, Outcome, PassResult
from services.cull.policy.model import Action, Protections, Reason

WHY = (Reason.IDLE, Reason.MAX_AGE)
#: How long passes take: the listing of a small hub to slow stops under a rate limit.
PASS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_READS = (
    "GET health",
    "GET info",
    "GET user_self",
    "GET users",
    "GET user",
    "GET server",
    "GET metrics",
)
_ENDPOINTS = (*_READS, "DELETE server", "DELETE user")


class CullMetrics:
    """Listens to the culler (as its ``Observer``) and to what stands around it."""

    def __init__(self, metrics: Metrics) -> None:
        reasons = [reason.value for reason in WHY]
        outcomes = [outcome.value for outcome in Outcome]
        self._servers = metrics.gauge(
            "servers", "Servers that the last pass saw, by state.", {"state": STATES}
        )
        self._decisions = metrics.gauge(
            "server_decisions",
            "Servers that the last pass saw, by what was decided and why.",
            {"reason": [reason.value for reason in Reason]},
        )
        self._stops = metrics.counter(
            "stops_total",
            "Servers that were due, by why and by what became of it.",
            {"reason": reasons, "outcome": outcomes},
        )
        self._deletions = metrics.counter(
            "user_deletions_total",
            "Users that were due, by why and by what became of it.",
            {"reason": reasons, "outcome": outcomes},
        )
        self._pass_seconds = metrics.histogram(
            "pass_duration_seconds", "Seconds a pass took.", buckets=PASS_SECONDS
        )
        self._passes = metrics.counter(
            "passes_total",
            "Passes: good, with errors, or with a listing that broke off.",
            {"outcome": ("good", "errors", "broken_off")},
        )
        self._last_good = metrics.gauge(
            "last_good_pass_timestamp_seconds", "When the last pass without an error began."
        )
        self._protected = metrics.gauge(
            "holds", "Holds in force.", {"kind": ("server", "user", "group")}
        )
        self._extensions = metrics.gauge("extensions", "Extensions in force.")
        self._reloads = metrics.counter(
            "policy_reloads_total",
            "Looks at the policy file that found another text.",
            {"outcome": (Reload.LOADED.value, Reload.REFUSED.value)},
        )
        self._policy_good = metrics.gauge(
            "policy_file_good", "1 while the policy in force is what the file says."
        )
        self._policy_good.set(1)
        self._hub_up = metrics.gauge("hub_up", "1 while the Hub answers.")
        self._settling = metrics.gauge("settling", "1 while no idleness is believed.")
        self._failing = metrics.gauge(
            "failing_targets", "Servers and users that could not be stopped and are tried again."
        )
        metrics.expect_hub_requests(*_ENDPOINTS)

    def passed(self, result: PassResult) -> None:
        """A pass is over."""
        outcome = "good" if result.good else "errors" if result.whole else "broken_off"
        self._passes.labels(outcome).inc()
        self._pass_seconds.observe(result.elapsed)
        if result.good:
            self._last_good.set(result.started.timestamp())
        if not result.whole:
            return
        for state in STATES:
            self._servers.labels(state).set(result.states.get(state, 0))
        for reason in Reason:
            self._decisions.labels(reason.value).set(result.reasons.get(reason, 0))

    def done(self, done: Done) -> None:
        """Something became of a server or a user that was due."""
        counter = self._deletions if done.action is Action.DELETE_USER else self._stops
        counter.labels(done.reason.value, done.outcome.value).inc()

    def protected(self, protections: Protections) -> None:
        """What is held and extended now."""
        self._protected.labels("server").set(len(protections.server_holds))
        self._protected.labels("user").set(len(protections.user_holds))
        self._protected.labels("group").set(len(protections.group_holds))
        self._extensions.set(len(protections.extensions))

    def reloaded(self, outcome: Reload, problems: tuple[str, ...]) -> None:
        """The policy file was looked at."""
        if outcome is not Reload.UNCHANGED:
            self._reloads.labels(outcome.value).inc()
        self._policy_good.set(not problems)

    def watched(self, watch: HubWatch, failing: int) -> None:
        """The Hub was looked at."""
        self._hub_up.set(bool(watch.up))
        self._settling.set(watch.settling)
        self._failing.set(failing)
