"""The Hub's counters of spawns, as each version of JupyterHub writes them."""

from datetime import UTC, datetime
from math import inf

import pytest

from services.stats.record.hub_counters.parse import InvalidMetrics, parse
from tests.stats.record.scenarios.hub_metrics import metrics_page

STARTED = datetime.fromtimestamp(1_772_400_000, UTC)


def test_counts_by_outcome() -> None:
    """Each outcome has its number, its total duration, and its numbers by upper bound."""
    page = metrics_page([("success", "", 0.7), ("success", "", 3), ("error", "", 700)])
    reading = parse(page.encode())
    assert reading.hub_started == STARTED
    assert reading.totals == {
        "success": (2, 3.7, {1.0: 1, 5.0: 1}),
        "failure": (1, 700.0, {inf: 1}),
    }


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        ("failure", "throttled", "throttled"),
        ("failure", "too-many-users", "too-many-users"),
        ("failure", "already-pending", "already-pending"),
        ("failure", "no such image; <script>", "failure"),
        ("error", "", "failure"),
        ("success", "throttled", "success"),
        ("", "", "failure"),
    ],
)
def test_outcomes_are_a_closed_set(status: str, reason: str, outcome: str) -> None:
    """Spawners set any reason, and none of them becomes an outcome."""
    assert list(parse(metrics_page([(status, reason, 1)]).encode()).totals) == [outcome]


@pytest.mark.parametrize("status", ["throttled", "too-many-users", "already-pending", "failure"])
def test_older_hubs(status: str) -> None:
    """Before version 6 there is no reason."""
    page = metrics_page([(status, "", 1), ("success", "", 2)], reasons=False)
    totals = parse(page.encode()).totals
    assert {outcome: total[0] for outcome, total in totals.items()} == {status: 1, "success": 1}


def test_a_server_that_exits_is_counted_once() -> None:
    """JupyterHub 6 counts such a spawn as "exited", and again as the error that follows."""
    page = metrics_page([("error", "exited", 10.6), ("error", "", 10.6)])
    assert parse(page.encode()).totals == {"failure": (1, 10.6, {15.0: 1})}


def test_prefix_and_unknown_start() -> None:
    """The prefix of the Hub's metrics is configurable; the start is not known everywhere."""
    page = metrics_page([("success", "", 2)], hub_started=None, prefix="campus_hub")
    assert parse(page.encode()) == (None, {"success": (1, 2.0, {2.5: 1})})


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (b"", "has no metric"),
        (b"<html>sign in</html>", "has no metric"),
        (b"jupyterhub_server_spawn_duration_seconds_count{status=", "not in Prometheus"),
        (b'a_server_spawn_duration_seconds_count{status="success"} many', "not in Prometheus"),
        (b'a_server_spawn_duration_seconds_count{status="success"} NaN', "not in Prometheus"),
        (b'a_server_spawn_duration_seconds_count{status="success"} +Inf', "not in Prometheus"),
        (b'a_server_spawn_duration_seconds_count{status="success"} 1e300', "not in Prometheus"),
        (b'a_server_spawn_duration_seconds_count{status="success"} -1', "not in Prometheus"),
        (b'a_server_spawn_duration_seconds_sum{status="success"} NaN', "not in Prometheus"),
        (b'a_server_spawn_duration_seconds_sum{status="success"} +Inf', "not in Prometheus"),
        (b'a_server_spawn_duration_seconds_sum{status="success"} -3', "not in Prometheus"),
        (b"\xff\xfe server_spawn_duration_seconds \x00", "not in Prometheus"),
    ],
)
def test_unusable_pages(page: bytes, why: str) -> None:
    """A page of something else is an error that quotes nothing of it."""
    with pytest.raises(InvalidMetrics, match=why) as error:
        parse(page)
    assert "sign in" not in str(error.value)
