"""An invented semester, for demonstrations of the dashboard and for benchmarks. Pure.

All its users are named ``made-up-...``, and the command marks the database, so that no page
presents the data as real. The same seed gives the same semester.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.stats.records import MADE_UP, Changes, Person, Poll, Session

BUSY_DAY_SHARE = 0.6
"""Share of all people who are active on a busy day at the start of the semester."""


@dataclass(frozen=True)
class Semester:
    """What to invent."""

    start: datetime
    """Midnight of the first day."""
    days: int = 120
    students: dict[str, int] | None = None
    """Their number by group. Default: two courses, and some people in neither."""
    active_share: float | None = None
    """Share of all people active on every day, weekends too. None: as in a real semester."""
    sessions_a_day: int | None = None
    """Sessions per active person and day. None: one, or sometimes two."""
    interval: int = 300
    with_gaps: bool = True
    """Whether the recorder is down for some hours every 50 days."""
    seed: int = 1
    profiles: tuple[str, ...] = ("small", "large", "gpu")
    images: tuple[str, ...] = ("scipy-notebook:2026-03", "pytorch-notebook:2026-03")
    """The image of all profiles but the last, and that of the last."""


class _Generator:
    """Generates the changes of a semester, one day at a time."""

    def __init__(self, semester: Semester) -> None:
        self.semester = semester
        self.random = random.Random(semester.seed)  # noqa: S311 - nothing secret about it
        self.next_session = 1
        self.people: list[int] = []
        self.since: dict[int, int] = {}
        self.carried: dict[datetime, int] = {}

    def enrol(self) -> Changes:
        """The people and their groups."""
        semester = self.semester
        changes = Changes()
        students = semester.students
        if students is None:
            students = {"nbgrader-course101": 60, "nbgrader-demo-statistics": 35, "": 15}
        changes.profiles = dict(enumerate(semester.profiles, 1))
        changes.images = dict(enumerate(semester.images, 1))
        for group_id, (group, size) in enumerate(students.items(), 1):
            if group:
                changes.groups[group_id] = group
            for _ in range(size):
                number = len(self.people) + 1
                self.people.append(number)
                # Most are there from the first day; every fifth joins in the following weeks.
                late = 0 if number % 5 or semester.active_share else 2 + number % 21
                since = semester.start + timedelta(days=min(late, semester.days - 1))
                self.since[number] = late
                person = Person(number, f"made-up-{number:04d}", MADE_UP, since)
                changes.newcomers.append(person)
                if group:
                    changes.join(group_id, number, since)
        return changes

    def day(self, number: int) -> Changes:
        """The sessions, activity and polls of one day."""
        semester = self.semester
        midnight = semester.start + timedelta(days=number)
        changes = Changes()
        running: dict[datetime, int] = {}
        for user_id in self._active_people(number):
            self._add_person_day(changes, user_id, midnight, running)
        self._add_polls(changes, number, midnight, running)
        # Ids in order of time, as the recorder assigns them.
        ordered = sorted(changes.sessions.values(), key=lambda s: s.started)
        changes.sessions = {
            number: session._replace(id=number)
            for number, session in enumerate(ordered, self.next_session)
        }
        self.next_session += len(ordered)
        changes.touch(midnight)
        return changes

    def _active_people(self, number: int) -> list[int]:
        share = self.semester.active_share
        if share is None:
            week = number // 7
            weekday = (self.semester.start + timedelta(days=number)).weekday()
            share = BUSY_DAY_SHARE * (1.0, 1.1, 0.9, 1.2, 0.7, 0.2, 0.3)[weekday]
            share *= max(0.35, 1 - 0.03 * week)
            if week == 7:
                share *= 0.15  # a week without classes
            share *= self.random.uniform(0.85, 1.1)
        enrolled = [i for i in self.people if self.since[i] <= number]
        return self.random.sample(enrolled, min(len(enrolled), int(len(enrolled) * share)))

    def _add_person_day(
        self, changes: Changes, user_id: int, midnight: datetime, running: dict[datetime, int]
    ) -> None:
        count = self.semester.sessions_a_day or (2 if self.random.random() < 0.25 else 1)
        hour = self.random.choice((8, 10, 10, 13, 14, 16, 19, 20)) if count == 1 else 8.5
        start = midnight + timedelta(hours=hour, seconds=self.random.randrange(1800))
        for _ in range(count):
            start = self._add_session(changes, user_id, start, running) + timedelta(
                seconds=self.random.randrange(1800, 5400)
            )

    def _add_session(
        self, changes: Changes, user_id: int, start: datetime, running: dict[datetime, int]
    ) -> datetime:
        work = start
        for _ in range(self.random.choice((1, 1, 2))):  # with or without a break
            length = timedelta(seconds=self.random.randrange(900, 5400))
            changes.activity[user_id, work] = work + length
            last = work + length
            work = last + timedelta(seconds=self.random.randrange(900, 2400))
        culled = self.random.random() < 0.7
        ended = last + timedelta(seconds=3600 if culled else self.random.randrange(60, 600))
        number = len(changes.sessions)
        profile_id = 1 + min(2, int(self.random.expovariate(1.5)))
        image_id = 1 + (profile_id == len(self.semester.profiles))
        changes.sessions[number] = Session(
            number, user_id, "", profile_id, start, last, ended, image_id
        )
        for moment, step in ((start, 1), (ended, -1)):
            running[moment] = running.get(moment, 0) + step
        return ended

    def _add_polls(
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
            is_gap = semester.with_gaps and number % 50 == 33 and 1 <= moment.hour < 9
            if not is_gap:
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
    """First the people and their groups, then each day."""
    generator = _Generator(semester)
    yield generator.enrol()
    for number in range(semester.days):
        yield generator.day(number)


def last_days(now: datetime, days: int = 120) -> datetime:
    """The midnight (UTC) that begins the last ``days`` days before today."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
        days=days
    )
