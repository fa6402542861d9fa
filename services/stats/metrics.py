"""The statistics' numbers for Prometheus."""

from common.web.metrics import Metrics
from services.stats.record.recorder import PollResult
from services.stats.store.latest_poll import PERIODS, Current

OUTCOMES = ("whole", "partial", "skipped")
ENDPOINTS = ("GET info", "GET user_self", "GET users", "GET user")
"""What is asked of the Hub: scopes and its time, polls, and who looks at the pages."""

POLL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class StatsMetrics:
    """Set after each poll. Group labels are as many as ``read_current`` was asked for."""

    def __init__(self, metrics: Metrics, *, per_user: bool = False) -> None:
        self._polls = metrics.counter(
            "polls_total",
            "Polls of the Hub: whole, partial (it could not tell everything) or skipped, since"
            " too much waits for the database.",
            {"outcome": OUTCOMES},
        )
        self._seconds = metrics.histogram(
            "poll_duration_seconds", "Seconds a poll of the Hub took.", buckets=POLL_SECONDS
        )
        self._last = metrics.gauge(
            "last_good_poll_timestamp_seconds", "When the last whole poll began that was written."
        )
        self._write = metrics.histogram(
            "database_write_duration_seconds", "Seconds until a poll was written."
        )
        self._read = metrics.histogram(
            "database_read_duration_seconds",
            "Seconds that reading the numbers of these metrics took, once a poll.",
        )
        self._backlog = metrics.gauge("backlog_rows", "Rows that wait for the database.")
        self._leads = metrics.gauge("leading", "1 if we record, 0 while another recorder does.")
        self._running = metrics.gauge("running_servers", "Servers that run.")
        self._active = metrics.gauge(
            "active_users", "Users active in the period.", {"period": tuple(PERIODS)}
        )
        self._group_running = metrics.gauge(
            "group_running_servers", "Servers of the group's members that run.", ("usergroup",)
        )
        self._group_active = metrics.gauge(
            "group_active_users", "Members active in the period.", ("period", "usergroup")
        )
        self._user_running = (
            metrics.gauge("user_running_servers", "Servers of the user that run.", ("username",))
            if per_user
            else None
        )
        metrics.expect_hub_requests(*ENDPOINTS)

    def polled(self, result: PollResult) -> None:
        """After a poll, whatever became of it."""
        self._backlog.set(result.backlog)
        if result.written:
            self._write.observe(result.write_seconds)
        if result.poll is None:
            self._polls.labels("skipped").inc()
            return
        self._polls.labels("whole" if result.poll.whole else "partial").inc()
        self._seconds.observe(result.poll.milliseconds / 1000)
        if result.poll.whole and result.written:
            self._last.set(result.poll.time.timestamp())

    def leading(self, leads: bool) -> None:
        """Whether it is us who record."""
        self._leads.set(leads)

    def show(self, current: Current, read_seconds: float) -> None:
        """How things are now, and how long it took to read that.

        Groups and users that are gone lose their series.
        """
        self._read.observe(read_seconds)
        self._group_running.clear()
        self._group_active.clear()
        for group, number in current.running.items():
            if group:
                self._group_running.labels(group).set(number)
            else:
                self._running.set(number)
        for (period, group), number in current.active.items():
            if group:
                self._group_active.labels(period, group).set(number)
            else:
                self._active.labels(period).set(number)
        if self._user_running is not None:
            self._user_running.clear()
            for user, number in current.running_by_user.items():
                self._user_running.labels(user).set(number)
