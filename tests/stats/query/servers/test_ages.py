"""The ages of running servers."""

from datetime import UTC, datetime, timedelta

import pytest

from services.stats.query.servers.ages import (
    RunningServer,
    figure,
    histogram,
    list_figure,
    long_running,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def running(user: str, hours: float) -> RunningServer:
    age = timedelta(hours=hours)
    return RunningServer(user, "", None, None, NOW - age, NOW, age)


@pytest.mark.parametrize(
    ("hours", "label"),
    [
        (0, "under 1 h"),
        (1, "1 to 2 h"),
        (7.99, "4 to 8 h"),
        (8, "8 to 12 h"),
        (23.9, "12 h to 1 day"),
        (24, "1 to 3 days"),
        (167, "3 to 7 days"),
        (168, "7 days or more"),
    ],
)
def test_bins(hours: float, label: str) -> None:
    """Each age is in one bin; a bin includes its lower bound."""
    shown = {row[0]: row[1] for row in figure([running("ana", hours)]).rows}
    assert shown[label] == 1
    assert sum(shown.values()) == 1


def test_without_servers_all_bins_are_empty() -> None:
    """Nothing runs: zero, not unknown."""
    assert {number for *_, number in histogram([])} == {0}


def test_long_running_servers_are_listed_oldest_first() -> None:
    """From eight hours on; equal ones by name."""
    servers = [running("ben", 9), running("eva", 7.9), running("old", 100), running("ana", 9)]
    assert [server.user for server in long_running(servers)] == ["old", "ana", "ben"]
    assert [row[0] for row in list_figure(servers).rows] == ["old", "ana", "ben"]
    assert list_figure(servers).rows[0][6] == 100.0
