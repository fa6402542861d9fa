"""What is to happen to a server or a user, and why: pure decisions.

``(user, server, policy, now) -> Decision``. Nothing here waits, logs or looks at a clock;
``now`` is the Hub's own time. When in doubt the answer is to keep.

Equal times are decided as jupyterhub-idle-culler decides them: who has been idle for
exactly the timeout is due.
"""

from datetime import MAXYEAR, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from common.hub.models import Server, User
from services.cull.policy.model import (
    NO_PROTECTIONS,
    Action,
    Decision,
    Flags,
    Policy,
    Protections,
    Reason,
)
from services.cull.policy.rules import Kind, Rule, RuleAction, kind_of


class _Life(NamedTuple):
    """The times that decide: last sign of life (None: not usable) and start."""

    idle_since: datetime | None
    began: datetime | None


def decide_server(
    user: User,
    server: Server,
    policy: Policy,
    now: datetime,
    *,
    protections: Protections = NO_PROTECTIONS,
    believe_from: datetime | None = None,
    arbiter: bool | None = None,
) -> Decision:
    """What to do with one server.

    Before ``believe_from`` no idleness is believed; an age does not depend on reports and
    counts all the same. Extensions and holds beat both. ``arbiter`` is the verdict of
    jupyterhub-idle-culler's ``cull_arbiter_hook``: it replaces the comparison with the idle
    timeout, and nothing else.
    """
    rule = policy.rule_for(user, server, now)
    life = _server_life(server)
    if server.pending:
        return Decision(Action.KEEP, Reason.PENDING, rule.name, None, life.idle_since)
    if not server.ready:
        return Decision(Action.KEEP, Reason.NOT_READY, rule.name, None, life.idle_since)
    if rule.action is RuleAction.NEVER:
        return Decision(Action.KEEP, Reason.NEVER, rule.name, None, life.idle_since)
    if server.user_options is None and policy.needs_profile:
        # A rule that protects its profile may have been passed over.
        return Decision(Action.KEEP, Reason.NO_PROFILE, rule.name, None, life.idle_since)
    spared = _spared(server, policy.flags)
    act = _act(server, rule)
    times = _Times.of(rule.idle_timeout if spared is None else None, rule.max_age, life)
    if arbiter is not None and spared is None:
        times = times.ruled_by(arbiter, now)
    if times.due is None and spared is not None:
        return Decision(Action.KEEP, spared, rule.name, None, life.idle_since)
    held = protections.held_until(user, server.name)
    extended = protections.extended_until(user, server.name)
    return _decide(act, rule, life, times, now, held, extended, believe_from, arbiter)


def decide_user(
    user: User,
    policy: Policy,
    now: datetime,
    *,
    protections: Protections = NO_PROTECTIONS,
    believe_from: datetime | None = None,
) -> Decision:
    """What to do with a user as a whole. Whoever has a server that lives stays."""
    rule = policy.rule_for_user(user, now)
    life = _user_life(user)
    kept = None
    if not policy.flags.cull_users or user.kind != "user":
        kept = Reason.NOT_CULLED
    elif _may_have_servers(user):
        kept = Reason.SERVERS_RUNNING
    elif user.admin and not policy.flags.cull_admin_users:
        kept = Reason.ADMIN_SPARED
    elif rule.action is RuleAction.NEVER:
        kept = Reason.NEVER
    if kept is not None:
        return Decision(Action.KEEP, kept, rule.name, None, life.idle_since)
    times = _Times.of(rule.user_timeout, rule.user_max_age, life)
    held = protections.held_until(user, None)
    extended = protections.extended_until(user, None)
    return _decide(Action.DELETE_USER, rule, life, times, now, held, extended, believe_from, None)


def _server_life(server: Server) -> _Life:
    """A null last activity is lawful (none yet): then the start counts. Garbage is not."""
    if "last_activity" in server.problems:
        return _Life(None, server.started)
    return _Life(server.last_activity or server.started, server.started)


def _user_life(user: User) -> _Life:
    if "last_activity" in user.problems:
        return _Life(None, user.created)
    return _Life(user.last_activity or user.created, user.created)


def _may_have_servers(user: User) -> bool:
    """Whether any lives. Servers that the Hub does not tell, or that are garbage, may."""
    if "servers" in user.problems:
        return True
    return any(
        server.ready or server.pending or not server.stopped for server in user.servers.values()
    )


def _spared(server: Server, flags: Flags) -> Reason | None:
    """Whether the flags keep idleness from stopping this kind of server."""
    if kind_of(server) is Kind.DEFAULT:
        return None if flags.cull_default_servers else Reason.DEFAULT_SPARED
    return None if flags.cull_named_servers else Reason.NAMED_SPARED


def _act(server: Server, rule: Rule) -> Action:
    """Only a named server can be removed; a default one has nothing to be forgotten."""
    removes = rule.action is RuleAction.REMOVE and server.name
    return Action.REMOVE if removes else Action.STOP


class _Times(NamedTuple):
    """When idleness and age are due; None: never, or no usable time to count from."""

    idle: datetime | None
    age: datetime | None
    no_time: bool = False

    @classmethod
    def of(cls, timeout: float | None, max_age: float | None, life: _Life) -> "_Times":
        idle = _later(life.idle_since, timeout)
        age = _later(life.began, max_age)
        lacking = (timeout is not None and idle is None) or (max_age is not None and age is None)
        return cls(idle, age, lacking and idle is None and age is None)

    def ruled_by(self, arbiter: bool, now: datetime) -> "_Times":
        """The same with the arbiter's word on idleness; without a usable time it has none.

        What it spares now may be due at the timeout, for which it is asked again: until then
        that is the best word on when, and what a user can extend.
        """
        if self.idle is None or (not arbiter and now < self.idle):
            return self
        return _Times(now if arbiter else None, self.age, self.no_time)

    @property
    def due(self) -> datetime | None:
        if self.idle is None or self.age is None:
            return self.idle or self.age
        return min(self.idle, self.age)


def _later(since: datetime | None, seconds: float | None) -> datetime | None:
    if since is None or seconds is None:
        return None
    try:
        return since + _seconds(seconds)
    except OverflowError:
        return None


@lru_cache(maxsize=256)  # the timeouts of the rules, asked for with every server
def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _decide(
    act: Action,
    rule: Rule,
    life: _Life,
    times: _Times,
    now: datetime,
    held: datetime | None,
    extended: datetime | None,
    believe_from: datetime | None,
    arbiter: bool | None,
) -> Decision:
    """Act if the time has come and nothing speaks against it; else say what does."""

    def keep(reason: Reason, due: datetime | None) -> Decision:
        return Decision(Action.KEEP, reason, rule.name, due, life.idle_since)

    if times.no_time:
        return keep(Reason.NO_TIME, None)
    believed = times.idle
    if believed is not None and believe_from is not None:
        believed = max(believed, believe_from)
    due = times._replace(idle=believed).due if believed is not times.idle else times.due
    if due is None:
        return keep(Reason.ARBITER if arbiter is False else Reason.ACTIVE, None)
    final = due
    if held is not None or extended is not None:
        final = max(end for end in (due, held, extended) if end is not None)
    if now >= final:
        idle = believed is not None and now >= believed
        return Decision(
            act, Reason.IDLE if idle else Reason.MAX_AGE, rule.name, final, life.idle_since
        )
    if held is not None and now < held:
        return keep(Reason.HELD, final)
    if extended is not None and now < extended:
        return keep(Reason.EXTENDED, final)
    if times.idle is not None and times.idle <= now:
        # While the Hub has not been seen up at all, there is no telling when.
        return keep(Reason.SETTLING, final if final.year < MAXYEAR else None)
    return keep(Reason.ACTIVE, final)
