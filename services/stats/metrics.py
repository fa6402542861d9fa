"""The Prometheus metrics of stats."""

from math import nan

from common.web.metrics import Metrics
from services.stats.query.servers.forecast import Expected
from services.stats.record.recorder import PollResult
from services.stats.store.latest_poll import PERIODS, LatestCounts

OUTCOMES = ("whole", "partial", "skipped")
ENDPOINTS = ("GET info", "GET user_self", "GET users", "GET user", "GET metrics")
"""The requests to the Hub: its clock, own scopes, polls, the users who open pages, metrics."""

ESTIMATES = ("expected", "upper")

POLL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class StatsMetrics:
    """Updated after each poll. ``per_user`` adds a series for each user with running servers."""

    def __init__(self, metrics: Metrics, *, per_user: bool = False) -> None:
        self._polls = metrics.counter(
            "polls_total",
            "Polls of the Hub by outcome: whole, partial (some data could not be read) or skipped"
            " (too many rows wait for the database).",
            {"outcome": OUTCOMES},
        )
        self._poll_seconds = metrics.histogram(
            "poll_duration_seconds", "Duration of a poll of the Hub.", buckets=POLL_SECONDS
        )
        self._last_good_poll = metrics.gauge(
            "last_good_poll_timestamp_seconds",
            "Start time of the last complete poll that was written to the database.",
        )
        self._write_seconds = metrics.histogram(
            "database_write_duration_seconds", "Time to write a poll to the database."
        )
        self._read_seconds = metrics.histogram(
            "database_read_duration_seconds",
            "Time to read the values of these metrics from the database, once a poll.",
        )
        self._backlog = metrics.gauge("backlog_rows", "Rows waiting to be written to the database.")
        self._leading = metrics.gauge(
            "leading", "1 if this recorder writes to the database, 0 while another one does."
        )
        self._running = metrics.gauge(
            "running_servers", "Running servers, including those of users who are not counted."
        )
        self._active = metrics.gauge(
            "active_users", "Users active in the period.", {"period": tuple(PERIODS)}
        )
        self._expected = metrics.gauge(
            "expected_peak_servers",
            "The peak of concurrent servers to expect tomorrow, from the same weekday of past"
            " weeks: expected, and the highest of these weeks. NaN: too few weeks were observed.",
            {"estimate": ESTIMATES},
        )
        self._show_expected(None)
        self._group_running = metrics.gauge(
            "group_running_servers", "Running servers of the group's members.", ("usergroup",)
        )
        self._group_active = metrics.gauge(
            "group_active_users",
            "Members of the group active in the period.",
            ("period", "usergroup"),
        )
        self._user_running = (
            metrics.gauge("user_running_servers", "Running servers of the user.", ("username",))
            if per_user
            else None
        )
        metrics.expect_hub_requests(*ENDPOINTS)

    def polled(self, result: PollResult) -> None:
        """Count a poll, whatever its outcome."""
        self._backlog.set(result.backlog)
        if result.written:
            self._write_seconds.observe(result.write_seconds)
        if result.poll is None:
            self._polls.labels("skipped").inc()
            return
        self._polls.labels("whole" if result.poll.whole else "partial").inc()
        self._poll_seconds.observe(result.poll.milliseconds / 1000)
        if result.poll.whole and result.written:
            self._last_good_poll.set(result.poll.time.timestamp())

    def leading(self, is_leader: bool) -> None:
        """Set whether this recorder writes to the database."""
        self._leading.set(is_leader)

    def show(self, counts: LatestCounts, read_seconds: float) -> None:
        """Set the counts as of the latest poll, and how long it took to read them.

        The series of groups and users that are no longer counted are removed.
        """
        self._read_seconds.observe(read_seconds)
        self._group_running.clear()
        self._group_active.clear()
        for group, number in counts.running.items():
            if group:
                self._group_running.labels(group).set(number)
            else:
                self._running.set(number)
        for (period, group), number in counts.active.items():
            if group:
                self._group_active.labels(period, group).set(number)
            else:
                self._active.labels(period).set(number)
        self._show_expected(counts.tomorrow)
        if self._user_running is not None:
            self._user_running.clear()
            for user, number in counts.running_by_user.items():
                self._user_running.labels(user).set(number)

    def _show_expected(self, tomorrow: Expected | None) -> None:
        for estimate in ESTIMATES:
            number = None if tomorrow is None else getattr(tomorrow, estimate)
            self._expected.labels(estimate).set(nan if number is None else number)
