"""A small hub whose numbers can be counted by hand, as records to write into a database."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from services.stats.records import Changes, Person, Poll, Session

MONDAY = date(2026, 3, 2)
START = datetime(2026, 3, 2, tzinfo=UTC)
ANA, BEN, EVA, OLD_BEN = 1, 2, 3, 4
X, Y = 1, 2

ALL = "since=2026-02-21&until=2026-03-09"
"""The query string for every day with records."""


def at(day: int, hour: float = 0) -> datetime:
    """A time, by days since Monday and hours."""
    return START + timedelta(days=day, hours=hour)


def day(number: int) -> date:
    """A day, by days since Monday."""
    return MONDAY + timedelta(days=number)


def polls(first: datetime, last: datetime, servers: int = 0) -> dict[datetime, Poll]:
    """A whole poll every five minutes, the ends included."""
    times = [
        first + timedelta(minutes=5 * n) for n in range((last - first) // timedelta(minutes=5) + 1)
    ]
    return {
        time: Poll(time, 300, 50, whole=True, full=False, users=3, servers=servers, active=0)
        for time in times
    }


def course(names: Sequence[str] = ()) -> Changes:
    """Two weeks. Ana works on Monday and Tuesday, Ben on Monday of the second week.

    An earlier Ben, deleted on Sunday before, worked on the Sunday before that. Eva is
    enrolled from Wednesday and never comes. Ana is in group y until Monday noon. Users with
    the additional ``names`` have ids from 10 on and do nothing.
    """
    made = at(-30)
    changes = Changes(groups={X: "nbgrader-x", Y: "nbgrader-y"}, profiles={1: "gpu"})
    changes.people = {
        ANA: Person(ANA, "ana", made, at(-9)),
        BEN: Person(BEN, "ben", at(0, 9), at(0, 9)),
        EVA: Person(EVA, "eva", at(2, 1), at(2, 9)),
        OLD_BEN: Person(OLD_BEN, "ben", made, at(-9), deleted=at(-1)),
    }
    for number, name in enumerate(names, 10):
        changes.people[number] = Person(number, name, made, at(-9))
    changes.joined = {(X, at(-9)): [ANA], (X, at(1)): [BEN], (X, at(2, 9)): [EVA]}
    changes.left = {(Y, ANA, at(-9)): at(0, 12), (X, OLD_BEN, at(-9)): at(-1)}
    changes.activity = {
        (ANA, at(0, 10)): at(0, 11),
        (ANA, at(1, 22)): at(1, 23),
        (BEN, at(7, 10)): at(7, 12),
        (BEN, at(7, 15)): at(7, 15),
        (OLD_BEN, at(-8, 10)): at(-8, 11),
    }
    changes.sessions = {
        1: Session(1, OLD_BEN, "", None, at(-8, 10), at(-8, 11), at(-8, 12)),
        2: Session(2, ANA, "", 1, at(0, 10), at(0, 11), at(0, 12)),
        3: Session(3, ANA, "", None, at(1, 22), at(1, 23), at(2, 1)),
        4: Session(4, BEN, "", None, at(7, 10), at(7, 12), at(7, 12.1)),
        5: Session(5, BEN, "gpu", None, at(7, 10.5), at(7, 11), None),
    }
    changes.polls = polls(at(-9), at(3, 0)) | polls(at(4, 0), at(7, 16), servers=1)
    changes.touch(at(-9))
    return changes
