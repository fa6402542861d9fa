"""Decides, poll by poll, which of the sessions that ended the culler stopped."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from common.hub.models import Server, User
from services.stats.record.culler_audit.reader import CERTAIN, AuditReader, Event
from services.stats.record.culler_audit.verdicts import GIVE_UP, Ended, Stop, decide
from services.stats.record.observed import storable
from services.stats.recorder_state import State
from services.stats.records import Changes, Session

MARGIN = timedelta(minutes=1)
"""Stops are read from this long before the earliest end of a session on."""


class CullDecisions:
    """The sessions that wait for a decision. ``rename`` is applied to users (``pseudonyms``)."""

    def __init__(
        self, reader: AuditReader, *, rename: Callable[[User], User] = lambda user: user
    ) -> None:
        self._reader = reader
        self._rename = rename
        self._waiting: dict[int, Ended] = {}

    def begin(self, sessions: Iterable[Session], noticed: datetime | None) -> None:
        """Continue with sessions that ended before this recorder started.

        ``noticed``: the last poll, which had noticed all of their ends.
        """
        self._waiting = {}
        if noticed is not None:
            self._waiting = {one.id: Ended(one, noticed) for one in sessions}

    async def add(self, changes: Changes, state: State) -> None:
        """Add what is decided now to the changes of a poll that the state has applied."""
        (poll,) = changes.polls.values()
        for session in changes.sessions.values():
            if session.ended is not None:
                self._waiting[session.id] = Ended(session, poll.time)
        self._waiting = {
            number: one
            for number, one in self._waiting.items()
            if poll.time - one.noticed <= GIVE_UP
        }
        if not self._waiting:
            return
        earliest = min(one.session.ended or one.noticed for one in self._waiting.values())
        read = await self._reader.read(earliest - MARGIN)
        if read is None:
            return
        waiting = self._waiting.values()
        ids = {one.session.user_id for one in waiting}
        deleted = {one.name: one.id for one in state.deleted.values() if one.id in ids}
        stops = [stop for event in read.stops for stop in self._stops(event, state, deleted)]
        for session in decide(waiting, state.running, stops, read.complete):
            del self._waiting[session.id]
            changes.sessions[session.id] = session
            changes.touch(session.ended or session.last_activity)

    def _stops(self, event: Event, state: State, deleted: Mapping[str, int]) -> Iterator[Stop]:
        """The stop of the user who has the name, and of the one who had it."""
        name = event.server or ""
        servers = {name: Server(name=name)}
        user = self._rename(User(name=storable(event.name), servers=servers))
        (server,) = user.servers.values()
        person = state.people.get(user.name)
        for user_id in (None if person is None else person.id, deleted.get(user.name)):
            if user_id is not None:
                certain = event.outcome in CERTAIN
                yield Stop(event.at, (user_id, storable(server.name)), certain)
