"""A semester that never was: for looking at the dashboard, and for measuring. Pure.

Everybody in it is called ``made-up-...`` and the database is marked, so that no page can show
it as the truth. The same seed gives the same semester.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.stats.records import MADE_UP, Changes, Person, Poll, Session

FIRST_WEEKS_MANY = 0.6
"""Of all people so many come on a good day at the start of a semester."""


@dataclass(frozen=True)
class Semester:
    """What to make up."""

    start: datetime
    """Midnight of the first day."""
    days: int = 120
    students: dict[str, int] | None = None
    """By group; the default is two courses and some people in neither."""
    active_share: float | None = None
    """So many of all people each day, weekends too. None: as in a real semester."""
    sessions_a_day: int | None = None
    """For everybody active. None: one, or sometimes two."""
    interval: int = 300
    with_gaps: bool = True
    """Whether the recorder was away for some hours, twice."""
    seed: int = 1
    profiles: tuple[str, ...] = ("small", "large", "gpu")


class _Writer:
    """Puts a semester into changes, a day at a time."""

    def __init__(self, semester: Semester) -> None:
        self.semester = semester
        self.random = random.Random(semester.seed)  # noqa: S311 - nothing secret about it
        self.next_session = 1
        self.people: list[int] = []
        self.since: dict[int, int] = {}
        self.carried: dict[datetime, int] = {}

    def enrol(self) -> Changes:
        """The people and their groups, on the first morning."""
        semester = self.semester
        changes = Changes()
        students = semester.students
        if students is None:
            students = {"nbgrader-course101": 60, "nbgrader-demo-statistics": 35, "": 15}
        changes.profiles = dict(enumerate(semester.profiles, 1))
        for group_id, (group, size) in enumerate(students.items(), 1):
            if group:
                changes.groups[group_id] = group
            for _ in range(size):
                number = len(self.people) + 1
                self.people.append(number)
                # Most are there from the first day, some join in the weeks after it.
                late = 0 if number % 5 or semester.active_share else 2 + number % 21
                since = semester.start + timedelta(days=min(late, semester.days - 1))
                self.since[number] = late
                person = Person(number, f"made-up-{number:04d}", MADE_UP, since)
                changes.newcomers.append(person)
                if group:
                    changes.join(group_id, number, since)
        return changes

    def day(self, number: int) -> Changes:
        """One day's sessions, work and polls."""
        semester = self.semester
        midnight = semester.start + timedelta(days=number)
        changes = Changes()
        running: dict[datetime, int] = {}
        for user_id in self._who_comes(number):
            self._person(changes, user_id, midnight, running)
        self._polls(changes, number, midnight, running)
        # Ids in the order of time, as a recorder gives them.
        ordered = sorted(changes.sessions.values(), key=lambda s: s.started)
        changes.sessions = {
            number: session._replace(id=number)
            for number, session in enumerate(ordered, self.next_session)
        }
        self.next_session += len(ordered)
        changes.touch(midnight)
        return changes

    def _who_comes(self, number: int) -> list[int]:
        share = self.semester.active_share
        if share is None:
            week = number // 7
            weekday = (self.semester.start + timedelta(days=number)).weekday()
            share = FIRST_WEEKS_MANY * (1.0, 1.1, 0.9, 1.2, 0.7, 0.2, 0.3)[weekday]
            share *= max(0.35, 1 - 0.03 * week)
            if week == 7:
                share *= 0.15  # a week without classes
            share *= self.random.uniform(0.85, 1.1)
        there = [i for i in self.people if self.since[i] <= number]
        return self.random.sample(there, min(len(there), int(len(there) * share)))

    def _person(
        self, changes: Changes, user_id: int, midnight: datetime, running: dict[datetime, int]
    ) -> None:
        count = self.semester.sessions_a_day or (2 if self.random.random() < 0.25 else 1)
        hour = self.random.choice((8, 10, 10, 13, 14, 16, 19, 20)) if count == 1 else 8.5
        start = midnight + timedelta(hours=hour, seconds=self.random.randrange(1800))
        for _ in range(count):
            start = self._session(changes, user_id, start, running) + timedelta(
                seconds=self.random.randrange(1800, 5400)
            )

    def _session(
        self, changes: Changes, user_id: int, start: datetime, running: dict[datetime, int]
    ) -> datetime:
        work = start
        for _ in range(self.random.choice((1, 1, 2))):  # a break, or none
            length = timedelta(seconds=self.random.randrange(900, 5400))
            changes.activity[user_id, work] = work + length
            last = work + length
            work = last + timedelta(seconds=self.random.randrange(900, 2400))
        culled = self.random.random() < 0.7
        ended = last + timedelta(seconds=3600 if culled else self.random.randrange(60, 600))
        number = len(changes.sessions)
        profile_id = 1 + min(2, int(self.random.expovariate(1.5)))
        changes.sessions[number] = Session(number, user_id, "", profile_id, start, last, ended)
        for moment, step in ((start, 1), (ended, -1)):
            running[moment] = running.get(moment, 0) + step
        return ended

    def _polls(
        self, changes: Changes, number: int, midnight: datetime, running: dict[datetime, int]
    ) -> None:
        semester = self.semester
        steps = sorted({**self.carried, **running}.items())
        self.carried = {m: s for m, s in running.items() if m >= midnight + timedelta(days=1)}
        servers = i = 0
        moment = midnight + timedelta(seconds=semester.interval)
        while moment <= midnight + timedelta(days=1):
            while i < len(steps) and steps[i][0] <= moment:
                servers += steps[i][1]
                i += 1
            away = semester.with_gaps and number % 50 == 33 and 1 <= moment.hour < 9
            if not away:
                changes.polls[moment] = Poll(
                    time=moment,
                    interval=semester.interval,
                    milliseconds=self.random.randrange(40, 90),
                    whole=True,
                    full=moment.hour % 6 == 0 and moment.minute < 5,
                    users=len(self.people),
                    servers=max(servers, 0),
                    active=max(0, int(servers * 0.6)),
                )
            moment += timedelta(seconds=semester.interval)


def semester_changes(semester: Semester) -> Iterator[Changes]:
    """The people first, then each day."""
    writer = _Writer(semester)
    yield writer.enrol()
    for number in range(semester.days):
        yield writer.day(number)


def last_days(now: datetime, days: int = 120) -> datetime:
    """The midnight so many days before today, in UTC."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
        days=days
    )
