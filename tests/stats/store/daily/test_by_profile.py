"""Counting a day's servers by profile and image."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.stats.intervals import Interval, common, union
from services.stats.records import HUB, UNKNOWN, ProfileDay, Session
from services.stats.store.daily.by_profile import Counts, add_up, by_choice
from services.stats.store.daily.rollup import CountedDay
from tests.stats.one_day import ALL_DAY, BASE, DAY, START, WINDOW, at, session

HOUR = 3600
SMALL = session(1, 10, 11, 12)._replace(profile_id=1)


def test_a_session_is_counted_by_what_was_chosen() -> None:
    """Its start, its running and active time, and its end."""
    counted = by_choice([SMALL], [Interval(at(10), at(11))], WINDOW, ALL_DAY)
    assert counted == {(1, UNKNOWN): Counts(1, 2 * HOUR, 2 * HOUR, HOUR, 1, 2 * HOUR)}


def test_work_in_unobserved_time_is_not_a_share_of_observed_time() -> None:
    """Only the observed part of the running time has a share."""
    seen = [Interval(START, at(10.5))]
    counted = by_choice([SMALL], [Interval(at(10), at(11))], WINDOW, seen)
    assert counted[1, UNKNOWN] == Counts(1, 2 * HOUR, HOUR // 2, HOUR // 2, 1, 2 * HOUR)


def test_a_session_of_several_days_is_split() -> None:
    """Each day has its part of the running time; the length belongs to the day of the end."""
    night = session(1, -2, 1, 3)._replace(image_id=4)
    counted = by_choice([night], [], WINDOW, ALL_DAY)
    assert counted == {(UNKNOWN, 4): Counts(0, 3 * HOUR, 3 * HOUR, 0, 1, 5 * HOUR)}
    running = session(1, -2, 1, None)
    assert by_choice([running], [], WINDOW, ALL_DAY)[UNKNOWN, UNKNOWN] == Counts(
        0, 24 * HOUR, 24 * HOUR, 0, 0, 0
    )


def test_a_session_of_another_day_is_not_counted() -> None:
    """The records of a day also have sessions that ended up to 24 hours before it."""
    assert by_choice([session(1, -5, -4, -3)], [], WINDOW, ALL_DAY) == {}


def test_users_add_up() -> None:
    """A group has the sum of its members."""
    one = by_choice([SMALL], [], WINDOW, ALL_DAY)
    two = by_choice([SMALL._replace(profile_id=2)], [], WINDOW, ALL_DAY)
    both = add_up([one, one, two])
    assert both[1, UNKNOWN].sessions == 2
    assert both[2, UNKNOWN].sessions == 1


def test_rows_of_hub_and_group() -> None:
    """The profiles of the hub add up to its sessions and server time; groups have members only."""
    records = replace(
        BASE, sessions=[SMALL, session(3, 8, 9, 9), session(3, 9, 9, 10)._replace(profile_id=1)]
    )
    day = CountedDay(records)
    rows = day.profiles()
    hub = day.hub()
    assert sum(row.sessions for row in rows) == hub.sessions == 3
    assert sum(row.server_seconds for row in rows) == hub.server_seconds
    assert [(row.group_id, row.profile_id, row.sessions) for row in rows] == [
        (HUB, UNKNOWN, 1),
        (HUB, 1, 2),
    ]
    assert day.profiles(7, {1, 2}) == [
        ProfileDay(DAY, 7, 1, UNKNOWN, 1, 2 * HOUR, 2 * HOUR, HOUR, 1, 2 * HOUR)
    ]
    assert day.profiles(9, set()) == []


def test_a_day_without_servers_has_no_profiles() -> None:
    """An imported day has no servers, and nothing is known about their profiles."""
    assert CountedDay(replace(BASE, servers_known=False)).profiles() == []


HALF_HOURS = st.integers(-10, 58)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Session], list[Interval], list[Interval]]:
    """Servers of one user, when they worked, and when that was observed, to the half hour."""
    sessions = []
    for number in range(draw(st.integers(0, 4))):
        start, end = sorted(draw(st.tuples(HALF_HOURS, HALF_HOURS)))
        ended = None if draw(st.booleans()) else end / 2
        profile, image = draw(st.sampled_from([(None, None), (1, None), (1, 2), (2, 2)]))
        made = session(1, start / 2, start / 2, ended)
        sessions.append(made._replace(id=number, profile_id=profile, image_id=image))
    parts = [
        union(
            Interval(at(min(pair) / 2), at(max(pair) / 2))
            for pair in draw(st.lists(st.tuples(HALF_HOURS, HALF_HOURS), max_size=3))
            if pair[0] != pair[1]
        )
        for _ in range(2)
    ]
    return sessions, parts[0], parts[1]


@given(histories())
def test_counting_half_hours_gives_the_same(
    history: tuple[list[Session], list[Interval], list[Interval]],
) -> None:
    """A plain count of each half hour of the day agrees."""
    sessions, active, seen = history
    seen = common(seen, [WINDOW])
    plain: dict[tuple[int, int], list[int]] = {}
    for one in sessions:
        sums = plain.setdefault((one.profile_id or UNKNOWN, one.image_id or UNKNOWN), [0] * 6)
        sums[0] += START <= one.started < WINDOW.end
        for number in range(48):
            moment = at(number / 2)
            runs = one.started <= moment and (one.ended is None or moment < one.ended)
            watched = runs and any(part.start <= moment < part.end for part in seen)
            worked = watched and any(part.start <= moment < part.end for part in active)
            for place, value in enumerate((runs, watched, worked), 1):
                sums[place] += 1800 * value
        if one.ended is not None and START <= one.ended < WINDOW.end:
            sums[4] += 1
            sums[5] += int((one.ended - one.started).total_seconds())
    expected = {choice: Counts(*sums) for choice, sums in plain.items() if any(sums)}
    assert by_choice(sessions, active, WINDOW, seen) == expected
