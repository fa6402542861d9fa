"""What the Hub's responses show, by the rules of docs/stats.md. Nothing is saved or restored."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.stats.reference.history import History
from tests.stats.reference.script_hub import Answer, Polled

ACCURACY = 5
"""Minutes: servers and the proxy report activity that often."""

GAP = 2.5
"""Complete polls more than this many intervals apart have a gap between them."""


@dataclass(eq=False)
class User:
    """A name, whatever accounts it had; a renamed account remains the same user."""

    name: str
    created: str
    first_seen: int
    deleted: int | None = None
    absent: list[tuple[int, int]] = field(default_factory=list)
    """From when until when there was no account, of those times that are over."""
    first_created: str = ""
    groups: list["Membership"] = field(default_factory=list)
    runs: list["Run"] = field(default_factory=list)
    worked: set[int] = field(default_factory=set)
    """The minutes in which they worked."""
    moments: set[int] = field(default_factory=set)
    """When they were seen without working: pages of the Hub, and starts of servers."""


@dataclass(eq=False)
class Membership:
    """A user in a group."""

    group: str
    since: int
    until: int | None = None


@dataclass(eq=False)
class Run:
    """A run of a server."""

    server: str
    started: int
    last: int
    ended: int | None = None


class Seen:
    """Everything that the polls of a history have shown."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.users: list[User] = []
        self.complete: list[int] = []
        """The complete polls."""
        self.first_poll: int | None = None
        self._had_server: set[str] = set()
        self._now = 0
        self._pause = 0

    # -- one poll

    def read(self, polled: Polled) -> None:
        """Take over what the Hub answered to one poll."""
        self._now = polled.minute
        self.first_poll = polled.minute if self.first_poll is None else self.first_poll
        shown: dict[str, dict[str, Any]] = {}
        whole = True
        for listing in ("active", "recent", "all"):
            readings = self._readings([one for one in polled.answers if one.listing == listing])
            for reading in readings:
                for answer in reading:
                    whole = whole and not answer.failed
                    shown.update({user["name"]: user for user in answer.users})
            if readings and listing != "active" and all(map(_is_short, readings)):
                whole = False
        everybody = whole and any(one.listing == "all" for one in polled.answers)
        self._pause = self._longest_pause()
        if not whole:
            self._leave_out_renamed(shown)
        people = self._identify(shown, everybody=everybody)
        for name, model in shown.items():
            self._groups(people[name], set(model["groups"]))
            for server in model["servers"].values():
                self._server(people[name], server)
        self._had_server |= {name for name, model in shown.items() if model["servers"]}
        if whole:
            self._views(people, shown)
            self._ends(people, shown)
            self.complete.append(self._now)
            self._had_server = {name for name, model in shown.items() if model["servers"]}

    def _readings(self, answers: Sequence[Answer]) -> list[list[Answer]]:
        """A listing is read again if it was short. Of the latest activity, only the pages up to
        the last complete poll are of interest; the next one has been requested already."""
        readings: list[list[Answer]] = []
        reached = False
        for answer in answers:
            if answer.offset == 0:
                readings.append([])
                reached = False
            if not reached:
                readings[-1].append(answer)
            times = [self._minute(user["last_activity"]) for user in answer.users]
            reached = reached or (
                answer.listing == "recent"
                and any(time is None or time <= self.complete[-1] for time in times)
            )
        return readings

    def _longest_pause(self) -> int:
        """How far apart the reports of one stretch of work may be: two polls."""
        step = max(self.history.interval, ACCURACY)
        since = self._now - self.complete[-1] if self.complete else 0
        return step + max(step, since if since <= GAP * step else 0)

    # -- users

    def _leave_out_renamed(self, shown: dict[str, dict[str, Any]]) -> None:
        """Only a complete poll shows whether an account was renamed."""
        created = {user.name: user.created for user in self.users if user.deleted is None}
        for name, model in list(shown.items()):
            if created.get(name) != model["created"] and model["created"] in created.values():
                del shown[name]

    def _identify(self, shown: dict[str, dict[str, Any]], *, everybody: bool) -> dict[str, User]:
        """The user of each name. The time of creation shows that an account was renamed."""
        here = {user.name: user for user in self.users if user.deleted is None}
        same = {
            n for n, model in shown.items() if n in here and here[n].created == model["created"]
        }
        lost = [user for user in self.users if user.deleted is not None]
        lost += [
            user for name, user in here.items() if name not in same and (name in shown or everybody)
        ]
        by_created = {user.created: user for user in lost}
        people: dict[str, User] = {name: here[name] for name in same}
        for name, model in shown.items():
            if name not in same and model["created"] in by_created:
                people[name] = by_created[model["created"]]
        for name, model in shown.items():
            if name not in people:
                earlier = [user for user in lost if user.name == name]
                earlier = [user for user in earlier if user not in people.values()]
                earlier.sort(key=lambda user: self._now if user.deleted is None else user.deleted)
                if not earlier:
                    earlier = [User(name, model["created"], self._now)]
                    earlier[0].first_created = model["created"]
                    self.users.append(earlier[0])
                people[name] = earlier[-1]
        for name, user in people.items():
            if user.deleted is not None:
                user.absent.append((user.deleted, self._now))
            user.name, user.created, user.deleted = name, shown[name]["created"], None
        for user in lost:
            if user.deleted is None and user not in people.values():
                user.deleted = self._now
                self._groups(user, set())
        return people

    def _groups(self, user: User, groups: set[str]) -> None:
        now = [one for one in user.groups if one.until is None]
        for membership in now:
            if membership.group not in groups:
                membership.until = self._now
        for group in sorted(groups - {one.group for one in now}):
            user.groups.append(Membership(group, self._now))

    # -- servers

    def _server(self, user: User, server: dict[str, Any]) -> None:
        started, last = self._minute(server["started"]), self._minute(server["last_activity"])
        assert started is not None
        assert last is not None
        run = _running(user, server["name"])
        if run is not None and run.started != started:
            self._end(run, min(self.complete[-1] if self.complete else run.last, started))
            run = None
        if run is None:
            run = Run(server["name"], started, started)
            user.runs.append(run)
            user.moments.add(started)
        if last > run.last:
            single = last - run.last > self._pause
            begin = max(last - ACCURACY, run.started) if single else run.last
            user.worked |= set(range(begin, last))
            run.last = last

    def _ends(self, people: dict[str, User], shown: dict[str, dict[str, Any]]) -> None:
        """A server that is gone stopped when its user's time says, if nothing else has set that
        time; otherwise it is only known to have run at the last poll."""
        names = {user: name for name, user in people.items()}
        for user in self.users:
            model = shown[names[user]] if user in names else None
            servers = {} if model is None else model["servers"]
            gone = [run for run in user.runs if run.ended is None and run.server not in servers]
            news = None if model is None or len(gone) > 1 else self._news(model)
            for server in servers.values():
                times = (self._minute(server["started"]), self._minute(server["last_activity"]))
                news = None if news in times else news
            for run in gone:
                known = self.complete[-1] if self.complete else run.last
                self._end(run, known if news is None else news)

    def _end(self, run: Run, minute: int) -> None:
        run.ended = max(minute, run.last)

    def _views(self, people: dict[str, User], shown: dict[str, dict[str, Any]]) -> None:
        """A new time of a user who cannot have stopped a server is a page of the Hub."""
        for name, model in shown.items():
            had = name in self._had_server or _running(people[name]) is not None
            news = self._news(model)
            if news is not None and not had:
                people[name].moments.add(news)

    def _news(self, model: dict[str, Any]) -> int | None:
        """The user's last activity if it is later than the last complete poll."""
        last = self._minute(model["last_activity"])
        return last if last is not None and self.complete and last > self.complete[-1] else None

    # -- time

    def _minute(self, text: str | None) -> int | None:
        if text is None:
            return None
        return (datetime.fromisoformat(text) - self.history.start) // timedelta(minutes=1)

    def created(self, user: User) -> int:
        """When their first account was created."""
        minute = self._minute(user.first_created)
        assert minute is not None
        return minute

    def observed(self) -> set[int]:
        """The minutes that were observed."""
        minutes: set[int] = set()
        for before, after in zip(self.complete, self.complete[1:], strict=False):
            if after - before <= GAP * self.history.interval:
                minutes |= set(range(before, after))
        return minutes


def _running(user: User, server: str | None = None) -> Run | None:
    runs = [run for run in user.runs if run.ended is None and server in (None, run.server)]
    return runs[-1] if runs else None


def _is_short(reading: Sequence[Answer]) -> bool:
    """Whether the listing was read to its end, and had fewer users than its total."""
    names = {user["name"] for answer in reading for user in answer.users}
    return reading[-1].is_last and len(names) < reading[-1].total


def by_group(users: Sequence[User]) -> dict[str, list[User]]:
    """All who have ever been members."""
    found: dict[str, list[User]] = defaultdict(list)
    for user in users:
        for group in {membership.group for membership in user.groups}:
            found[group].append(user)
    return found
