"""From raw records to days, and from days to numbers."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.stats.commands import report_formats as reports
from services.stats.commands.report_formats import Format
from services.stats.days import By, Period, periods
from services.stats.intervals import Interval
from services.stats.query.people import PersonRow
from services.stats.query.periods import percentile, session_lengths, summarise, week_by_hour
from services.stats.records import Poll, Session
from services.stats.store.rollup import DayRecords, GroupDay, UserDay, observed, roll_up

DAY = date(2026, 3, 2)
START = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = Interval(START, START + timedelta(days=1))
ALL_DAY = [
    Poll(START + timedelta(minutes=5 * n), 300, 1, whole=True, full=False) for n in range(289)
]


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def session(
    user_id: int, started: float, last: float, ended: float | None, server: str = ""
) -> Session:
    end = None if ended is None else at(ended)
    return Session(0, user_id, server, None, at(started), at(last), end)


BASE = DayRecords(
    day=DAY,
    window=WINDOW,
    zone=ZoneInfo("UTC"),
    sessions=[session(1, 10, 11, 12)],
    activity=[(1, Interval(at(10), at(11)))],
    polls=ALL_DAY,
    people=3,
    members={7: {1, 2}, 8: {3}},
)


def hub(records: DayRecords) -> GroupDay:
    return roll_up(records)[1][0]


def test_one_session() -> None:
    """An hour of work and an hour of idling are that in the user's and the group's day."""
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
    """Two servers of one person count twice as server hours and once as idle hours."""
    day = hub(replace(BASE, sessions=[session(1, 10, 11, 12), session(1, 10, 10, 12, "gpu")]))
    assert (day.server_seconds, day.active_seconds, day.idle_seconds) == (4 * 3600, 3600, 3600)
    assert (day.peak, day.peak_at) == (2, at(10))


def test_server_over_midnight_is_cut() -> None:
    """Each day has the part of a session that lies in it, the start where it started."""
    day = hub(replace(BASE, sessions=[session(1, -2, -1, 1)], activity=[]))
    assert (day.server_seconds, day.sessions, day.active) == (3600, 0, 0)
    assert day.lengths == '{"180":1}'


def test_end_and_start_at_one_moment_do_not_overlap() -> None:
    """A restart is one server at a time."""
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
    """A stop after idleness saves the time until the server is used again, a day at most."""
    assert hub(replace(BASE, sessions=sessions, activity=[])).saved_seconds == hours * 3600


def test_visit_counts_as_active_without_time() -> None:
    """Somebody seen for no time is active that day and in that hour."""
    day = hub(replace(BASE, sessions=[], activity=[(2, Interval(at(23.5), at(23.5)))]))
    assert (day.active, day.active_seconds) == (1, 0)
    assert day.hours.endswith(",1]")


def test_active_in_a_week_and_a_month() -> None:
    """Who was active on days before counts in the longer periods, each once."""
    day = hub(
        replace(BASE, active_6_before=frozenset({1, 2}), active_29_before=frozenset({1, 2, 3}))
    )
    assert (day.active, day.active_7, day.active_30) == (1, 2, 3)


def test_observed_between_polls_that_follow_each_other() -> None:
    """Polls that are not whole, or too far apart, leave a gap."""
    polls = [
        replace_poll(0),
        replace_poll(5),
        replace_poll(10, whole=False),
        replace_poll(15),
        replace_poll(30),
    ]
    assert observed(polls, WINDOW) == [
        Interval(at(0), at(5 / 60)),
        Interval(at(5 / 60), at(15 / 60)),
    ]


def replace_poll(minute: int, *, whole: bool = True) -> Poll:
    return Poll(START + timedelta(minutes=minute), 300, 1, whole=whole, full=False)


def test_nothing_observed_is_unknown() -> None:
    """Without polls the peak and the mean are unknown, and so is the whole summary."""
    day = hub(replace(BASE, polls=()))
    assert day.peak is day.mean_running is None
    summary = summarise(Period(DAY, DAY), [day], 1, {DAY: 86400.0})
    assert set(summary[3:]) == {None}
    assert summary.observed_percent == 0


@pytest.mark.parametrize(
    ("share", "length"), [(0.5, 10), (0.9, 90), (0.99, 100), (0.0, 10), (1.0, 100)]
)
def test_percentile(share: float, length: int) -> None:
    """The smallest length that so many of the sessions do not exceed."""
    assert percentile({10: 50, 90: 45, 100: 5}, share) == length


def test_percentile_of_none() -> None:
    """Without sessions there is no length."""
    assert percentile({}, 0.5) is None


def test_lengths_add_up() -> None:
    """Lengths of several days are counted together."""
    day = hub(BASE)
    assert session_lengths([day, day]) == {120: 2}


def test_week_by_hour() -> None:
    """Means are over observed days of the weekday; a weekday never seen is unknown."""
    monday = hub(BASE)
    next_monday = monday._replace(day=DAY + timedelta(days=7), hours="")
    table = week_by_hour([monday, next_monday])
    assert table[0][10] == 0.5
    assert table[0][11] == 0
    assert table[1] == [None] * 24


def test_periods_of_months() -> None:
    """Months are the calendar's, short at the ends."""
    assert periods(date(2026, 1, 30), date(2026, 3, 2), By.MONTH) == [
        Period(date(2026, 1, 30), date(2026, 1, 31)),
        Period(date(2026, 2, 1), date(2026, 2, 28)),
        Period(date(2026, 3, 1), date(2026, 3, 2)),
    ]


def test_formula_in_a_name_is_text() -> None:
    """A name that a spreadsheet would take for a formula is quoted in CSV."""
    row = PersonRow("=HYPERLINK(1)", False, 0, 0, 0, 0, None)
    assert reports.people([row], Format.CSV).splitlines()[1].startswith("'=HYPERLINK")


def test_table_shows_odd_names_on_one_line() -> None:
    """A name with a line's end or an escape sequence does not break the table."""
    row = PersonRow("a\n\x1b[31m", False, 0, 0, 0, 0, DAY)
    lines = reports.people([row], Format.TABLE).splitlines()
    assert len(lines) == 3
    assert "\\x1b" in lines[1]
