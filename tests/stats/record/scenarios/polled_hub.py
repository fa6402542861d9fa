"""Users and servers as the Hub would send them, and a state that polls are applied to."""

from datetime import UTC, datetime, timedelta

from common.hub.models import Server, User
from services.stats.record.sampler import PollContext, Sampler
from services.stats.recorder_state import State
from services.stats.records import Changes

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CREATED = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """A time, in minutes after the first poll."""
    return START + timedelta(minutes=minutes)


def server(last: float | None, *, started: float = 0, name: str = "", **more: object) -> Server:
    """A ready server; start and last activity in minutes after the first poll."""
    values = {"ready": True, "started": at(started)} | more
    return Server(name=name, last_activity=None if last is None else at(last), **values)  # type: ignore[arg-type]  # fields by name


def user(name: str, *servers: Server, last: float | None = None, **more: object) -> User:
    """A user, by default with an account created at CREATED."""
    values = {"created": CREATED} | more
    return User(
        name=name,
        last_activity=None if last is None else at(last),
        servers={s.name: s for s in servers},
        **values,  # type: ignore[arg-type]  # fields by name
    )


class PolledHub:
    """A state, and the polls that change it."""

    def __init__(self) -> None:
        self.state = State()

    def sampler(self, minutes: float) -> Sampler:
        """A poll that has seen nobody yet. Its changes are not applied."""
        return Sampler(self.state, PollContext(now=at(minutes)))

    def poll(
        self, minutes: float, *users: User, full: bool = False, whole: bool = True, **more: object
    ) -> Changes:
        """One poll that sees these users. Its changes are applied."""
        context = PollContext(now=at(minutes), **more)  # type: ignore[arg-type]  # fields by name
        sampler = Sampler(self.state, context)
        sampler.observe(users)
        changes = sampler.finish(complete=whole, full=full)
        self.state.apply(changes)
        return changes

    def work(self, name: str) -> list[tuple[float, float]]:
        """The person's intervals of activity, in minutes."""
        minute = timedelta(minutes=1)
        return [
            ((start - START) / minute, (end - START) / minute)
            for start, end in self.state.recent.get(self.state.people[name].id, [])
        ]
