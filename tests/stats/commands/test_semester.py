"""The invented semester."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from services.stats.commands.semester import (
    DROPS_OUT,
    NEVER,
    Semester,
    last_days,
    semester_changes,
)
from services.stats.records import Changes

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def everything(semester: Semester) -> Changes:
    """All changes of the semester, merged."""
    total = Changes()
    for changes in semester_changes(semester):
        total.update(changes)
    return total


def test_the_same_seed_gives_the_same_semester() -> None:
    """A semester is reproducible, and another seed gives another one."""
    first, again = (everything(Semester(MONDAY, days=5)) for _ in range(2))
    assert first == again
    assert everything(Semester(MONDAY, days=5, seed=2)).sessions != first.sessions


def test_records_are_consistent() -> None:
    """Sessions have ascending ids, end after their last activity and belong to known people."""
    total = everything(Semester(MONDAY, days=10))
    people = {person.id for person in total.newcomers}
    sessions = list(total.sessions.values())
    assert [s.id for s in sessions] == list(range(1, len(sessions) + 1))
    for session in sessions:
        assert session.user_id in people
        assert session.ended is not None
        assert session.started < session.last_activity < session.ended
    assert all(end is not None and start < end for (_, start), end in total.activity.items())
    assert all(poll.servers is not None and poll.servers >= 0 for poll in total.polls.values())


def test_the_share_of_active_people_can_be_fixed() -> None:
    """Benchmarks use the same number of people and sessions every day."""
    semester = Semester(
        MONDAY, days=3, students={"x": 50}, active_share=0.2, sessions_a_day=2, with_gaps=False
    )
    _, *days = semester_changes(semester)
    assert [len({s.user_id for s in day.sessions.values()}) for day in days] == [10] * 3
    assert [len(day.sessions) for day in days] == [20] * 3


@pytest.mark.parametrize(("with_gaps", "longest"), [(True, 8), (False, 0)], ids=["gaps", "no gaps"])
def test_gaps(with_gaps: bool, longest: int) -> None:
    """The recorder is down for a few hours on one day in fifty, unless gaps are off."""
    total = everything(Semester(MONDAY, days=40, with_gaps=with_gaps))
    steps = [later - earlier for earlier, later in pairwise(sorted(total.polls))]
    assert max(steps) == timedelta(hours=longest, minutes=5)


def test_the_last_days_end_with_yesterday() -> None:
    """A semester of this many days from there ends at the last midnight."""
    now = datetime(2026, 3, 12, 15, 30, tzinfo=UTC)
    assert last_days(now, 10) == MONDAY


def test_named_users() -> None:
    """Real users are in the course, staff in none, and all of them work on many days."""
    semester = Semester(MONDAY, days=28, users=("ada", "ben"), staff=("ines",))
    total = everything(semester)
    ids = {person.name: person.id for person in total.newcomers}
    (course,) = (i for i, name in total.groups.items() if name == semester.group)
    members = {
        user_id
        for (group_id, _), users in total.joined.items()
        for user_id in users
        if group_id == course
    }
    assert {ids["ada"], ids["ben"]} <= members
    assert ids["ines"] not in {i for users in total.joined.values() for i in users}
    assert all(person.created is None for person in total.newcomers if person.id > 110)
    for name in ("ada", "ben", "ines"):
        assert (
            len({s.started.date() for s in total.sessions.values() if s.user_id == ids[name]}) > 5
        )


def test_a_group_of_their_own() -> None:
    """A group that no invented student is in is added for the named users."""
    total = everything(Semester(MONDAY, days=2, users=("ada",), group="nbgrader-new"))
    (course,) = (i for i, name in total.groups.items() if name == "nbgrader-new")
    assert total.joined[course, MONDAY] == [111]


def test_some_never_start_and_some_drop_out() -> None:
    """The lists of those who have not started, and of those who dropped out, have somebody."""
    total = everything(Semester(MONDAY, days=40))
    active = {session.user_id for session in total.sessions.values()}
    assert {i for i in range(1, 111) if i % NEVER == 0} == set(range(1, 111)) - active
    late = {s.user_id for s in total.sessions.values() if s.started > MONDAY + timedelta(days=25)}
    assert not late & {i for i in active if i % DROPS_OUT == 0}


def test_nothing_happens_in_the_future() -> None:
    """On the last day, sessions and polls end before the given time."""
    until = MONDAY + timedelta(days=1, hours=13)
    total = everything(Semester(MONDAY, days=2, until=until))
    ends = [session.ended for session in total.sessions.values() if session.ended]
    assert MONDAY + timedelta(days=1) < max(ends) <= until
    assert max(total.polls) <= until
    assert all(end is None or end <= until for end in total.activity.values())
    assert all(image in total.images for s in total.sessions.values() if (image := s.image_id))
