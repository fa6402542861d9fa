"""The culler's Prometheus metrics. All series exist from the start, at 0."""

from common.config.settings_file import Reload
from common.web.metrics import Metrics
from services.cull.passes.hub_health import HubHealth
from services.cull.passes.listing.survey import STATES
from services.cull.passes.results import Outcome, PassResult, TargetResult
from services.cull.policy.model import Action, Protections, Reason

#: The reasons for stopping a server or deleting a user.
STOP_REASONS = (Reason.IDLE, Reason.MAX_AGE)
#: Durations of a pass, from the listing of a small hub to slow stops under a rate limit.
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
    """Observes the culler (as its ``PassObserver``), its policy file and the Hub's health."""

    def __init__(self, metrics: Metrics) -> None:
        reasons = [reason.value for reason in STOP_REASONS]
        outcomes = [outcome.value for outcome in Outcome]
        self._servers = metrics.gauge(
            "servers", "Servers seen by the last complete pass, by state.", {"state": STATES}
        )
        self._decisions = metrics.gauge(
            "server_decisions",
            "Servers seen by the last complete pass, by the reason for the decision.",
            {"reason": [reason.value for reason in Reason]},
        )
        self._stops = metrics.counter(
            "stops_total",
            "Servers that were due, by reason and outcome.",
            {"reason": reasons, "outcome": outcomes},
        )
        self._deletions = metrics.counter(
            "user_deletions_total",
            "Users that were due, by reason and outcome.",
            {"reason": reasons, "outcome": outcomes},
        )
        self._pass_seconds = metrics.histogram(
            "pass_duration_seconds", "Duration of a pass in seconds.", buckets=PASS_SECONDS
        )
        self._passes = metrics.counter(
            "passes_total",
            "Passes: without errors, with errors, or with an incomplete listing.",
            {"outcome": ("good", "errors", "broken_off")},
        )
        self._last_good = metrics.gauge(
            "last_good_pass_timestamp_seconds", "When the last pass without errors began."
        )
        self._holds = metrics.gauge(
            "holds", "Holds in force, by what they protect.", {"kind": ("server", "user", "group")}
        )
        self._extensions = metrics.gauge("extensions", "Extensions in force.")
        self._reloads = metrics.counter(
            "policy_reloads_total",
            "Changes of the policy file, by whether the new version was loaded or refused.",
            {"outcome": (Reload.LOADED.value, Reload.REFUSED.value)},
        )
        self._policy_good = metrics.gauge(
            "policy_file_good", "1 while the policy file is valid and in force."
        )
        self._policy_good.set(1)
        self._hub_up = metrics.gauge("hub_up", "1 while the Hub responds.")
        self._settling = metrics.gauge(
            "settling", "1 while idleness is not trusted, after an outage or a start of the Hub."
        )
        self._failing = metrics.gauge(
            "failing_targets", "Servers and users that could not be stopped and will be retried."
        )
        self._unreported = metrics.gauge(
            "activity_unreported",
            "1 while no server reports its activity to the Hub, so that none counts as idle.",
        )
        self._stuck = metrics.gauge(
            "stuck_servers", "Servers that have been starting or stopping for more than an hour."
        )
        self._foreign_stops = metrics.counter(
            "foreign_stops_total",
            "Idle servers that something other than this culler stopped, as far as it shows.",
        )
        self._foreign_total = 0
        metrics.expect_hub_requests(*_ENDPOINTS)

    def pass_finished(self, result: PassResult) -> None:
        """Count a pass and show its totals; an incomplete listing keeps the previous totals."""
        outcome = "good" if result.good else "errors" if result.complete else "broken_off"
        self._passes.labels(outcome).inc()
        self._pass_seconds.observe(result.elapsed)
        if result.good:
            self._last_good.set(result.started.timestamp())
        if not result.complete:
            return
        for state in STATES:
            self._servers.labels(state).set(result.states.get(state, 0))
        for reason in Reason:
            self._decisions.labels(reason.value).set(result.reasons.get(reason, 0))

    def target_finished(self, result: TargetResult) -> None:
        """Count the outcome of a server or user that was due."""
        counter = self._deletions if result.action is Action.DELETE_USER else self._stops
        counter.labels(result.reason.value, result.outcome.value).inc()

    def protections_read(self, protections: Protections) -> None:
        """Show the holds and extensions in force."""
        self._holds.labels("server").set(len(protections.server_holds))
        self._holds.labels("user").set(len(protections.user_holds))
        self._holds.labels("group").set(len(protections.group_holds))
        self._extensions.set(len(protections.extensions))

    def policy_checked(self, outcome: Reload, problems: tuple[str, ...]) -> None:
        """Count a change of the policy file and show whether the file is valid."""
        if outcome is not Reload.UNCHANGED:
            self._reloads.labels(outcome.value).inc()
        self._policy_good.set(not problems)

    def hub_checked(self, hub_health: HubHealth, failing: int) -> None:
        """Show the Hub's health and the number of targets that will be retried."""
        self._hub_up.set(bool(hub_health.up))
        self._settling.set(hub_health.settling)
        self._failing.set(failing)

    def surveyed(self, *, unreported: bool, stuck: int, foreign_stops: int) -> None:
        """Show what the last complete listing says about the Hub and its servers.

        ``foreign_stops``: of all listings since the start.
        """
        self._foreign_stops.inc(foreign_stops - self._foreign_total)
        self._foreign_total = foreign_stops
        self._unreported.set(unreported)
        self._stuck.set(stuck)
