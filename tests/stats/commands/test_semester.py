"""The invented semester."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from services.stats.commands.semester import Semester, last_days, semester_changes
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
