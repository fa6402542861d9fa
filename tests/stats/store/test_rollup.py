"""Raw records rolled up into the rows of a day."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.stats.intervals import Interval
from services.stats.records import Poll, Session, UserDay
from services.stats.store.rollup import observed, roll_up
from tests.stats.one_day import BASE, DAY, START, WINDOW, at, hub, session


def test_one_session() -> None:
    """An hour of work and an idle hour appear in the rows of the user and the group."""
    users, (whole, seven, eight) = roll_up(BASE)
    assert users == [UserDay(DAY, 1, 3600, 3600, 1, was_active=True)]
    assert (whole.active, whole.members, whole.server_seconds) == (1, 3, 7200)
    assert (seven.active, seven.members, seven.sessions) == (1, 2, 1)
    assert (eight.active, eight.server_seconds, eight.peak) == (0, 0, 0)
    assert whole.after_seconds == 3600
    assert whole.mean_running == pytest.approx(2 / 24)
    assert whole.lengths == '{"120":1}'
    assert whole.hours.startswith("[0,0,0,0,0,0,0,0,0,0,1,0")


def test_two_servers_at_once() -> None:
    """Two servers of one user count twice as server time but once as idle time."""
    day = hub(replace(BASE, sessions=[session(1, 10, 11, 12), session(1, 10, 10, 12, "gpu")]))
    assert (day.server_seconds, day.active_seconds, day.idle_seconds) == (4 * 3600, 3600, 3600)
    assert (day.peak, day.peak_at) == (2, at(10))


def test_server_over_midnight_is_cut() -> None:
    """Each day has its part of a session; only the first one counts the session."""
    day = hub(replace(BASE, sessions=[session(1, -2, -1, 1)], activity=[]))
    assert (day.server_seconds, day.sessions, day.active) == (3600, 0, 0)
    assert day.lengths == '{"180":1}'


def test_end_and_start_at_one_moment_do_not_overlap() -> None:
    """A restart does not count as two servers at once."""
    day = hub(replace(BASE, sessions=[session(1, 10, 11, 12), session(1, 12, 13, 14)]))
    assert day.peak == 1


@pytest.mark.parametrize(
    ("sessions", "hours"),
    [
        pytest.param([session(1, 8, 10, 12)], 12, id="until the end of the day"),
        pytest.param([session(1, 8, 10, 12), session(1, 15, 16, None)], 3, id="until used again"),
        pytest.param(
            [session(1, 8, 10, 12), session(1, 15, 16, None, "gpu")], 12, id="another server"
        ),
        pytest.param([session(1, 8, 12, 12.1)], 0, id="stopped by the user"),
        pytest.param([session(1, -20, -18, -16)], 8, id="a day at most"),
    ],
)
def test_saved_by_the_culler(sessions: list[Session], hours: float) -> None:
    """Stopping an idle server saves the time until its next use, at most a day."""
    assert hub(replace(BASE, sessions=sessions, activity=[])).saved_seconds == hours * 3600


def test_visit_counts_as_active_without_time() -> None:
    """A visit without duration makes the user active on that day and in that hour."""
    day = hub(replace(BASE, sessions=[], activity=[(2, Interval(at(23.5), at(23.5)))]))
    assert (day.active, day.active_seconds) == (1, 0)
    assert day.hours.endswith(",1]")


def test_active_in_a_week_and_a_month() -> None:
    """Users active on earlier days count in the longer periods, once each."""
    day = hub(
        replace(BASE, active_6_before=frozenset({1, 2}), active_29_before=frozenset({1, 2, 3}))
    )
    assert (day.active, day.active_7, day.active_30) == (1, 2, 3)


def test_observed_between_consecutive_polls() -> None:
    """Partial polls, and polls too far apart, leave a gap."""
    polls = [
        poll(0),
        poll(5),
        poll(10, whole=False),
        poll(15),
        poll(30),
    ]
    assert observed(polls, WINDOW) == [
        Interval(at(0), at(5 / 60)),
        Interval(at(5 / 60), at(15 / 60)),
    ]


def poll(minute: int, *, whole: bool = True) -> Poll:
    return Poll(START + timedelta(minutes=minute), 300, 1, whole=whole, full=False)
