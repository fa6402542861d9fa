"""The Prometheus metrics of the formgrader proxy."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from prometheus_client import Counter

from common.proxy.route_keeper import RouteEvent
from common.web.metrics import Metrics
from services.formgrader_proxy.access import Refusal, Role
from services.formgrader_proxy.proxy.headers import HeaderFault
from services.formgrader_proxy.proxy.target import PathFault
from services.formgrader_proxy.store.job import State as JobState
from services.formgrader_proxy.upstream.endpoint import Work
from services.formgrader_proxy.upstream.supervisor import State


class Outcome(StrEnum):
    """The outcome of a request to a course. A closed set, used as a metric label.

    STARTING: the formgrader is not running yet. AWAY: it cannot be reached.
    """

    OK = "ok"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    REFUSED = "refused"
    STARTING = "starting"
    AWAY = "away"

    @classmethod
    def of(cls, status: int) -> "Outcome":
        """The outcome for the status of an upstream's response."""
        if status >= 500:
            return cls.SERVER_ERROR
        return cls.CLIENT_ERROR if status >= 400 else cls.OK


class Held(StrEnum):
    """The outcome of a change that was held. A closed set, used as a metric label.

    RESENT: forwarded once more, because the formgrader stopped in between. UNKNOWN: the formgrader
    stopped, and the change may have been made. FULL: too many were held already. STOPPING: the
    service shut down. REFUSED: the sender was not permitted, or not any more.
    """

    FORWARDED = "forwarded"
    RESENT = "resent"
    UNKNOWN = "unknown"
    TIMED_OUT = "timed_out"
    FULL = "full"
    STOPPING = "stopping"
    REFUSED = "refused"


class FormgraderMetrics:
    """The service's own series. Those of a course are created with its first request."""

    def __init__(self, metrics: Metrics) -> None:
        self._request_counters: dict[tuple[str, Role, Outcome], Counter] = {}
        self._requests = metrics.counter(
            "requests_total", "Requests to a course.", ("course", "role", "outcome")
        )
        self._first_byte = metrics.histogram(
            "first_byte_seconds", "Seconds until a formgrader began to respond."
        )
        self._upstreams = metrics.gauge(
            "upstreams", "Formgraders that this service runs, by state.", {"state": list(State)}
        )
        self._processes = metrics.gauge(
            "processes", "Running processes of formgraders, by kind.", {"kind": list(Work)}
        )
        self._websockets = metrics.gauge("websockets_open", "Open WebSockets.")
        self._jobs = metrics.gauge(
            "jobs",
            "Jobs that have not ended, by state.",
            {"state": [state.value for state in JobState if not state.ended]},
        )
        self._job_items = metrics.counter(
            "job_items_total",
            "Requests of jobs that have ended, by outcome.",
            {"outcome": [state.value for state in JobState if state.ended]},
        )
        self._routes = metrics.counter(
            "route_events_total",
            "Events of the registered route.",
            {"event": list(RouteEvent)},
        )
        self._held = metrics.counter(
            "held_changes_total",
            "Changes that waited for their formgrader or the Hub, by outcome.",
            {"outcome": list(Held)},
        )
        self._holding = metrics.gauge("changes_waiting", "Changes that are held now.")
        reasons = [reason.value for kind in (PathFault, HeaderFault, Refusal) for reason in kind]
        self._refused = metrics.counter(
            "refused_total", "Refused requests, by reason.", {"reason": reasons}
        )

    def request(self, course: str, role: Role, outcome: Outcome) -> None:
        """Count a request; ``course`` is one of the configured ones."""
        key = (course, role, outcome)
        counter = self._request_counters.get(key)
        if counter is None:
            counter = self._requests.labels(course, role.name.lower(), outcome.value)
            self._request_counters[key] = counter
        counter.inc()

    def first_byte(self, seconds: float) -> None:
        """Record how long a formgrader took to begin its response."""
        self._first_byte.observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a refusal."""
        self._refused.labels(reason).inc()

    def state(self, old: State | None, new: State | None) -> None:
        """Count a formgrader in its new state. None: it does not exist yet, or no longer."""
        if old is not None:
            self._upstreams.labels(old.value).dec()
        if new is not None:
            self._upstreams.labels(new.value).inc()

    def job(self, old: JobState | None, new: JobState | None) -> None:
        """Count a job in its new state. None: it does not exist yet, or no longer runs."""
        if old is not None and not old.ended:
            self._jobs.labels(old.value).dec()
        if new is not None and not new.ended:
            self._jobs.labels(new.value).inc()

    def job_item(self, outcome: JobState) -> None:
        """Count a request of a job that has ended."""
        self._job_items.labels(outcome.value).inc()

    def process(self, kind: Work, change: int) -> None:
        """A process has started to serve (1), or no longer does (-1)."""
        self._processes.labels(kind.value).inc(change)

    def held(self, outcome: Held) -> None:
        """Count a change that was held, at its end."""
        self._held.labels(outcome.value).inc()

    def holding(self, number: int) -> None:
        """Set how many changes are held now."""
        self._holding.set(number)

    def route(self, event: RouteEvent) -> None:
        """Count an event of the service's route."""
        self._routes.labels(event.value).inc()

    @contextmanager
    def websocket(self) -> Iterator[None]:
        """Count a WebSocket while it is open."""
        self._websockets.inc()
        try:
            yield
        finally:
            self._websockets.dec()
