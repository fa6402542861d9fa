"""What a listing of users comes to: who is due, oldest idle first, and the counts. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from common.hub.models import Server, User
from services.cull.passes.results import Row, Tally
from services.cull.policy.model import Action, Decision, Reason

STATES = ("ready", "pending", "not_ready", "no_time")
_FIRST = datetime.min.replace(tzinfo=UTC)


class Due(msgspec.Struct, frozen=True, gc=False):
    """A server that is due, as it was listed."""

    name: str
    started: datetime | None
    decision: Decision


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """What to look at again: servers of one user that are due, and whether the user is, too.

    ``user`` has no servers in it: 10,000 candidates must stay small.
    """

    user: User
    servers: tuple[Due, ...]
    delete: Decision | None
    since: datetime

    @property
    def first(self) -> tuple[str | None, Decision]:
        """The first server that is due, by name, or None for the user; and why."""
        if self.servers:
            return self.servers[0].name, self.servers[0].decision
        if self.delete is None:
            raise ValueError("a candidate for nothing")
        return None, self.delete


@dataclass(frozen=True, slots=True)
class OwnStop:
    """A stop of ours, which the Hub took for activity of the user.

    ``activity`` is the user's last activity before; ``until`` the Hub's time by which our
    stop was done: what the Hub tells of later than that is the user's own.
    """

    activity: datetime | None
    until: datetime


def state_of(server: Server, decision: Decision) -> str:
    """One of STATES."""
    if server.pending:
        return "pending"
    if not server.ready:
        return "not_ready"
    return "no_time" if decision.reason is Reason.NO_TIME else "ready"


def is_there(server: Server) -> bool:
    """Whether it runs, starts or stops. A model may hold named servers that are stopped."""
    return server.ready or server.pending is not None or not server.stopped


def without_own_stop(user: User, own: OwnStop | None) -> User:
    """The user as if our own stop had not counted as activity."""
    if own is None or user.last_activity is None or user.last_activity > own.until:
        return user
    return replace(user, last_activity=own.activity)


class Survey:
    """Takes users as they are listed and keeps those to look at again."""

    def __init__(self, tally: Tally, *, by_user: bool, keep_rows: bool) -> None:
        """``by_user``: one candidate a user, where users are culled.

        Their own activity must be read before any of their servers is stopped, for
        afterwards the Hub no longer knows it.
        """
        self.tally = tally
        self.candidates: list[Candidate] = []
        self.rows: list[Row] = []
        self.no_time: set[tuple[str, str]] = set()
        self._by_user = by_user
        self._keep_rows = keep_rows
        self._groups: dict[tuple[str, ...], tuple[str, ...]] = {}

    def add(
        self, user: User, decisions: Mapping[str, Decision], delete: Decision | None = None
    ) -> None:
        """One listed user, with the decisions on their servers by name, and on themselves.

        ``delete`` is what is to happen once the servers that are due have stopped.
        """
        tally = self.tally
        tally.users += 1
        owner: User | None = None
        due: list[Due] = []
        for name, decision in decisions.items():
            server = user.servers[name]
            tally.seen += 1
            tally.states[state_of(server, decision)] += 1
            tally.reasons[decision.reason] += 1
            if decision.reason is Reason.NO_TIME:
                self.no_time.add((user.name, name))
            if decision.action is Action.KEEP:
                tally.kept += 1
            else:
                due.append(Due(name, server.started, decision))
            if self._keep_rows:
                owner = owner or self._slim(user)
                self.rows.append(Row(owner, server, decision))
        if delete is not None and delete.action is not Action.DELETE_USER:
            delete = None
        if due or delete:
            self._keep(owner or self._slim(user), due, delete)

    def ordered(self) -> list[Candidate]:
        """The candidates, oldest idle first. Equal ones stay in the Hub's order."""
        return sorted(self.candidates, key=lambda candidate: candidate.since)

    def _keep(self, user: User, due: list[Due], delete: Decision | None) -> None:
        if self._by_user:
            times = [_since(one) for one in due] + ([_idle(delete)] if delete else [])
            self.candidates.append(Candidate(user, tuple(due), delete, min(times)))
            return
        for one in due:
            self.candidates.append(Candidate(user, (one,), None, _since(one)))

    def _slim(self, user: User) -> User:
        groups = self._groups.setdefault(user.groups, user.groups)
        return replace(user, servers={}, groups=groups)


def _since(due: Due) -> datetime:
    return due.decision.idle_since or due.started or _FIRST


def _idle(decision: Decision) -> datetime:
    return decision.idle_since or _FIRST
