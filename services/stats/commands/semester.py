"""An invented semester, for demonstrations of the dashboard and for benchmarks. Pure.

Its users are named ``made-up-...``, apart from those that the command names, and the command marks
the database, so that no page presents the data as real. The same seed gives the same semester.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.stats.commands.demo_spawns import InventedSpawns
from services.stats.records import MADE_UP, Changes, Person, Poll, Session

BUSY_DAY_SHARE = 0.6
"""Share of all people who are active on a busy day at the start of the semester."""

WEEKDAYS = (1.0, 1.1, 0.9, 1.2, 0.7, 0.2, 0.3)
"""How many people are active on each day of the week, compared with a busy day."""

NEVER, DROPS_OUT = 17, 13
"""Of this many people, one never starts; of this many, one stops after the middle of the
semester."""

HABITS = (0.75, 0.5, 0.6, 0.4)
"""The shares of busy days on which the named users are active, in turn."""

IMAGES = (
    "quay.io/jupyter/scipy-notebook:2026-09-01",
    "quay.io/jupyter/r-notebook:2026-09-01",
    "quay.io/jupyter/pytorch-notebook:2026-09-01",
)
"""The image of each profile."""


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
    with_spawns: bool = False
    """Whether the Hub's counts of spawns are invented, too."""
    seed: int = 1
    profiles: tuple[str, ...] = ("small", "large", "gpu")
    images: tuple[str, ...] = IMAGES
    users: tuple[str, ...] = ()
    """Names of real users who are students of ``group``. They get a history like the others."""
    staff: tuple[str, ...] = ()
    """Names of real users who are in no group of students."""
    group: str = "nbgrader-course101"
    until: datetime | None = None
    """Nothing happens after this time. None: the last day is whole."""


class _Generator:
    """Generates the changes of a semester, one day at a time."""

    def __init__(self, semester: Semester) -> None:
        self.semester = semester
        self.random = random.Random(semester.seed)  # noqa: S311 - nothing secret about it
        self.next_session = 1
        self.people: list[int] = []
        self.since: dict[int, int] = {}
        self.named: dict[int, float] = {}
        """Habits of the named users."""
        self.carried: dict[datetime, int] = {}
        self.spawns = InventedSpawns(semester.start, semester.seed)

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
        self._enrol_named(changes)
        return changes

    def _enrol_named(self, changes: Changes) -> None:
        semester = self.semester
        groups = {name: group_id for group_id, name in changes.groups.items()}
        if semester.users and semester.group not in groups:
            groups[semester.group] = max(groups.values(), default=0) + 1
            changes.groups[groups[semester.group]] = semester.group
        for place, name in enumerate([*semester.users, *semester.staff]):
            number = len(self.people) + 1
            self.people.append(number)
            self.since[number] = 0
            self.named[number] = HABITS[place % len(HABITS)]
            # The recorder fills in when the account was created, once it sees it.
            changes.newcomers.append(Person(number, name, None, semester.start))
            if place < len(semester.users):
                changes.join(groups[semester.group], number, semester.start)

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
        if semester.with_spawns:
            self.spawns.add(changes)
        changes.touch(midnight)
        return changes

    def _active_people(self, number: int) -> list[int]:
        share = self.semester.active_share
        if share is None:
            week = number // 7
            weekday = (self.semester.start + timedelta(days=number)).weekday()
            share = BUSY_DAY_SHARE * WEEKDAYS[weekday]
            share *= max(0.35, 1 - 0.03 * week)
            if week == 7:
                share *= 0.15  # a week without classes
            share *= self.random.uniform(0.85, 1.1)
        enrolled = [i for i in self.people if self._comes(i, number)]
        active = self.random.sample(enrolled, min(len(enrolled), int(len(enrolled) * share)))
        weekday = (self.semester.start + timedelta(days=number)).weekday()
        return active + [
            user_id
            for user_id, habit in self.named.items()
            if self.random.random() < habit * WEEKDAYS[weekday]
        ]

    def _comes(self, user_id: int, number: int) -> bool:
        """Whether one of the unnamed people can be active on this day."""
        if user_id in self.named or self.since[user_id] > number:
            return False
        if self.semester.active_share is not None:
            return True
        dropped_out = user_id % DROPS_OUT == 0 and number > self.semester.days * 0.6
        return user_id % NEVER != 0 and not dropped_out

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
        work, stretches = start, {}
        for _ in range(self.random.choice((1, 1, 2))):  # with or without a break
            length = timedelta(seconds=self.random.randrange(900, 5400))
            stretches[user_id, work] = last = work + length
            work = last + timedelta(seconds=self.random.randrange(900, 2400))
        culled = self.random.random() < 0.7
        ended = last + timedelta(seconds=3600 if culled else self.random.randrange(60, 600))
        number = len(changes.sessions)
        profile_id = 1 + min(2, int(self.random.expovariate(1.5)))
        if self.semester.until is not None and ended > self.semester.until:
            return ended
        changes.activity.update(stretches)
        changes.sessions[number] = Session(
            id=number,
            user_id=user_id,
            server="",
            profile_id=profile_id,
            started=start,
            last_activity=last,
            ended=ended,
            image_id=min(profile_id, len(self.semester.images)) or None,
            culled=culled,
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
        end = midnight + timedelta(days=1)
        while moment <= (min(end, semester.until) if semester.until else end):
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
