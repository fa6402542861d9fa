"""The Prometheus metrics."""

from datetime import UTC, datetime
from math import isnan

from prometheus_client.parser import text_string_to_metric_families

from common.web.metrics import Metrics
from services.stats.metrics import StatsMetrics
from services.stats.query.servers.forecast import Expected
from services.stats.record.recorder import PollResult
from services.stats.records import Poll
from services.stats.store.latest_poll import LatestCounts

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
POLL = Poll(NOW, 300, 250, whole=True, full=False, users=4, servers=1, active=1)


def samples(metrics: Metrics) -> dict[str, float]:
    """The value of each series, by name and labels."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_series_are_there_before_the_first_poll() -> None:
    """Every outcome and period has a series with value 0 from the start."""
    metrics = Metrics("stats")
    StatsMetrics(metrics)
    found = samples(metrics)
    for outcome in ("whole", "partial", "skipped"):
        assert found[f"jupyterhub_stats_polls_total{{outcome={outcome}}}"] == 0
    for period in ("24h", "7d", "30d"):
        assert found[f"jupyterhub_stats_active_users{{period={period}}}"] == 0
    for seconds in ("poll", "database_write", "database_read"):
        assert found[f"jupyterhub_stats_{seconds}_duration_seconds_count"] == 0
    labels = "{endpoint=users,method=GET,status=503}"
    assert found[f"jupyterhub_stats_hub_requests_total{labels}"] == 0


def test_polls_by_outcome() -> None:
    """Whole, partial and skipped polls are counted apart; only a written poll is a good one."""
    metrics = Metrics("stats")
    stats = StatsMetrics(metrics)
    stats.polled(PollResult(POLL, written=True, backlog=0, write_seconds=0.01))
    stats.polled(PollResult(POLL._replace(whole=False), written=True, backlog=0))
    stats.polled(PollResult(None, written=False, backlog=70))
    found = samples(metrics)
    for outcome in ("whole", "partial", "skipped"):
        assert found[f"jupyterhub_stats_polls_total{{outcome={outcome}}}"] == 1
    assert found["jupyterhub_stats_last_good_poll_timestamp_seconds"] == NOW.timestamp()
    assert found["jupyterhub_stats_backlog_rows"] == 70
    assert found["jupyterhub_stats_poll_duration_seconds_count"] == 2


def test_series_of_former_groups_are_removed() -> None:
    """The groups are those of the latest poll, and users appear only if enabled."""
    metrics = Metrics("stats")
    stats = StatsMetrics(metrics)
    stats.show(
        LatestCounts({"": 3, "old": 2}, {("24h", ""): 5, ("24h", "old"): 1}, {"ana": 1}), 0.01
    )
    stats.show(
        LatestCounts({"": 3, "new": 2}, {("24h", ""): 5, ("24h", "new"): 1}, {"ana": 1}), 0.01
    )
    text = metrics.text().decode()
    assert 'usergroup="new"' in text
    assert 'usergroup="old"' not in text
    assert "ana" not in text
    assert samples(metrics)["jupyterhub_stats_database_read_duration_seconds_count"] == 2


def test_users_only_if_enabled() -> None:
    """A user with running servers has a series only if enabled, and only while they run."""
    metrics = Metrics("stats")
    stats = StatsMetrics(metrics, per_user=True)
    stats.show(LatestCounts({"": 1}, {}, {"ana": 2}), 0.01)
    assert samples(metrics)["jupyterhub_stats_user_running_servers{username=ana}"] == 2
    stats.show(LatestCounts({"": 1}, {}, {"ben": 1}), 0.01)
    assert "ana" not in metrics.text().decode()


def test_duration_of_writes() -> None:
    """The time of a write is observed for each poll that was written."""
    metrics = Metrics("stats")
    stats = StatsMetrics(metrics)
    stats.polled(PollResult(POLL, written=True, backlog=0, write_seconds=0.25))
    stats.polled(PollResult(POLL, written=False, backlog=9, write_seconds=9.0))
    found = samples(metrics)
    assert found["jupyterhub_stats_database_write_duration_seconds_sum"] == 0.25
    assert found["jupyterhub_stats_database_write_duration_seconds_count"] == 1


def test_the_expected_peak_is_unknown_before_two_weeks() -> None:
    """NaN, which Prometheus does not draw, instead of zero."""
    metrics = Metrics("stats")
    stats = StatsMetrics(metrics)
    name = "jupyterhub_stats_expected_peak_servers"
    assert isnan(samples(metrics)[f"{name}{{estimate=expected}}"])
    stats.show(LatestCounts(tomorrow=Expected(NOW.date(), 2.5, 4, 2, None)), 0.01)
    assert samples(metrics)[f"{name}{{estimate=expected}}"] == 2.5
    assert samples(metrics)[f"{name}{{estimate=upper}}"] == 4
    stats.show(LatestCounts(tomorrow=Expected(NOW.date(), None, None, 1, None)), 0.01)
    assert isnan(samples(metrics)[f"{name}{{estimate=upper}}"])
