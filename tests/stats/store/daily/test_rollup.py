"""Raw records rolled up into the rows of a day."""

import json
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.stats.days import bounds
from services.stats.intervals import Interval
from services.stats.records import Poll, Session, UserDay
from services.stats.store.daily.rollup import observed, observed_hours, roll_up
from tests.stats.one_day import BASE, DAY, START, WINDOW, at, hub, session


def test_one_session() -> None:
    """An hour of work and an idle hour appear in the rows of the user and the group."""
    users, (whole, seven, eight) = roll_up(BASE)
    assert users == [UserDay(DAY, 1, 3600, 3600, 1, was_active=True, was_present=True)]
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


def test_a_start_counts_as_active_without_time() -> None:
    """Starting a server makes the user active on that day and in that hour."""
    started = session(2, 23.5, 23.5, None)
    day = hub(replace(BASE, sessions=[started], activity=[(2, Interval(at(23.5), at(23.5)))]))
    assert (day.active, day.active_seconds) == (1, 0)
    assert day.hours.endswith(",1]")


def test_active_in_a_week_and_a_month() -> None:
    """Users active on earlier days count in the longer periods, once each."""
    before = {1: DAY - timedelta(days=1), 2: DAY - timedelta(days=6), 3: DAY - timedelta(days=7)}
    day = hub(replace(BASE, last_active=before | {4: DAY - timedelta(days=30)}))
    assert (day.active, day.active_7, day.active_30) == (1, 2, 3)


def test_a_group_counts_what_its_members_did_as_members() -> None:
    """Not what they did before they joined, and still what those did who have left since."""
    yesterday = DAY - timedelta(days=1)
    records = replace(
        BASE,
        last_active={1: yesterday, 2: yesterday},
        members_6_before={7: {9}},
        members_29_before={7: {2, 9}},
    )
    _, (_, seven, eight) = roll_up(records)
    assert (seven.active, seven.active_7, seven.active_30) == (1, 2, 3)
    assert (eight.active_7, eight.active_30) == (0, 0)


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


@pytest.mark.parametrize(
    ("culled", "stopped", "hours", "audited"),
    [
        pytest.param(None, session(1, 8, 10, 12), 12, False, id="unknown, and idle"),
        pytest.param(False, session(1, 8, 10, 12), 0, True, id="not by the culler"),
        pytest.param(True, session(1, 8, 10, 12), 12, True, id="by the culler"),
        pytest.param(True, session(1, 8, 12, 12), 12, True, id="by the culler, at work: too old"),
        pytest.param(None, session(1, 8, 12, 12), 0, None, id="unknown, and at work"),
        pytest.param(False, session(1, 8, 12, 12), 0, None, id="by the user, at work"),
    ],
)
def test_saved_by_the_audit_log(
    culled: bool | None, stopped: Session, hours: float, audited: bool | None
) -> None:
    """What the culler stopped saves, what it did not stop does not; else an idle server may."""
    day = hub(replace(BASE, sessions=[stopped._replace(culled=culled)], activity=[]))
    assert (day.saved_seconds, day.audited) == (hours * 3600, audited)


def test_the_audit_log_is_right_about_gaps() -> None:
    """A stop in the log counts even in a gap; one undecided stop makes the day undecided."""
    gap = [Interval(START, at(9)), Interval(at(11), WINDOW.end)]
    stopped = session(1, 8, 10, 12)._replace(culled=True)
    records = replace(BASE, seen=gap, sessions=[stopped], activity=[])
    assert hub(records).saved_seconds == 12 * 3600
    both = [stopped, session(2, 8, 12.5, 13)]
    assert hub(replace(BASE, sessions=both, activity=[])).audited is False


def test_time_without_observation_is_neither_idle_nor_saved() -> None:
    """Seven hours of work, five of them unobserved: the recorder knows of 2.1 h of work only."""
    seen = [Interval(at(-24), at(10)), Interval(at(15), at(24))]
    work = [(1, Interval(at(9), at(10))), (1, Interval(at(14.9), at(16)))]
    records = replace(BASE, seen=seen, sessions=[session(1, 9, 16, 16)], activity=work)
    (user, *_), (day, *_) = roll_up(records)
    assert (day.active_seconds, day.idle_seconds) == (2.1 * 3600, 0)
    assert day.unobserved_seconds == user.unobserved_seconds == 4.9 * 3600
    assert day.server_seconds == 7 * 3600


def test_a_gap_before_the_stop_saves_nothing() -> None:
    """The user may have stopped the server a minute after working; it was seen gone later."""
    seen = [Interval(at(-24), at(10.0)), Interval(at(10.4), at(24))]
    stopped = session(1, 9, 9.98, 10.4)
    assert hub(replace(BASE, seen=seen, sessions=[stopped], activity=[])).saved_seconds == 0
    watched = replace(BASE, sessions=[stopped], activity=[])
    assert hub(watched).saved_seconds == (24 - 10.4) * 3600


def test_hours_that_were_observed() -> None:
    """Each hour has its own share; an hour that the clocks repeat or skip has one, too."""
    assert hub(BASE).observed_hours == ""
    half = hub(replace(BASE, seen=[Interval(at(2), at(11.5))])).observed_hours
    assert half == "[" + ",".join(["0"] * 2 + ["100"] * 9 + ["50"] + ["0"] * 12) + "]"
    berlin = ZoneInfo("Europe/Berlin")
    for day, whole in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25)):
        window = bounds(day, berlin)
        assert window.seconds == whole * 3600
        assert observed_hours(day, berlin, [window]) == ""
        most = Interval(window.start, window.end - timedelta(minutes=30))
        shares = json.loads(observed_hours(day, berlin, [most]))
        skipped = {2} if whole == 23 else set()
        assert {hour for hour in range(24) if shares[hour] == 0} == skipped
        assert shares[23] == 50


def test_days_without_servers_know_nothing_about_them() -> None:
    """An imported file has activity and no servers, which is not the same as none."""
    day = hub(replace(BASE, sessions=[], servers_known=False))
    assert day.active_seconds == 3600
    assert {day.sessions, day.server_seconds, day.idle_seconds, day.saved_seconds} == {None}
    assert day.peak is day.mean_running is day.unobserved_seconds is None


def test_a_page_of_the_hub_is_presence_and_not_work() -> None:
    """Only starting or using a server makes a user active."""
    page = (2, Interval(at(9), at(9)))
    start = (1, Interval(at(10), at(10)))
    (one, two), (day, *_) = roll_up(replace(BASE, activity=[page, start]))
    assert (one.was_active, one.was_present) == (True, True)
    assert two == UserDay(DAY, 2, 0, 0, 0, was_active=False, was_present=True)
    assert day.active == 1
    assert day.hours.startswith("[0,0,0,0,0,0,0,0,0,0,1,0")
