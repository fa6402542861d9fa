"""Decides what to do with a server or a user, and why. Pure.

``(user, server, policy, now) -> Decision``. Nothing here waits, logs or reads a clock; ``now``
is the Hub's time. In doubt the decision is to keep.

As in jupyterhub-idle-culler, a server that has been idle for exactly the timeout is due.
"""

from datetime import MAXYEAR, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from common.hub.models import Server, User
from services.cull.policy.model import (
    NO_PROTECTIONS,
    Action,
    Decision,
    Flags,
    Policy,
    Protections,
    Reason,
    is_running,
)
from services.cull.policy.rules import Kind, Rule, RuleAction, kind_of


def decide_server(
    user: User,
    server: Server,
    policy: Policy,
    now: datetime,
    *,
    protections: Protections = NO_PROTECTIONS,
    trust_idle_from: datetime | None = None,
    arbiter: bool | None = None,
    unreported: bool = False,
) -> Decision:
    """What to do with one server.

    Idleness is not trusted before ``trust_idle_from``. The age of a server does not depend on
    activity reports and always counts. Extensions and holds override both. ``arbiter`` is the
    verdict of jupyterhub-idle-culler's ``cull_arbiter_hook``; it replaces the comparison with
    the idle timeout and nothing else. ``unreported`` is whether no server reports its activity:
    then none counts as idle.
    """
    rule = policy.rule_for(user, server, now)
    idle_since = None
    if "last_activity" not in server.problems:  # null is valid: no activity since the start
        idle_since = server.last_activity or server.started
    exempt = _exempt(server, policy.flags)
    reason = None
    if server.pending:
        reason = Reason.PENDING
    elif not server.ready:
        reason = Reason.NOT_READY
    elif rule.action is RuleAction.NEVER:
        reason = Reason.NEVER
    elif server.user_options is None and policy.needs_profile:
        # A rule for the server's profile may not have matched because the profile is unknown.
        reason = Reason.NO_PROFILE
    if reason is not None:
        return Decision(Action.KEEP, reason, rule.name, None, idle_since)
    idle_timeout = rule.idle_timeout if exempt is None else None
    deadlines = _Deadlines.of(idle_timeout, idle_since, rule.max_age, server.started)
    if arbiter is not None and exempt is None:
        deadlines = deadlines.with_verdict(arbiter, now)
    if unreported and exempt is None and deadlines.idle is not None:
        deadlines, exempt = deadlines._replace(idle=None), Reason.UNREPORTED
    if exempt is not None and deadlines.first is None:
        return Decision(Action.KEEP, exempt, rule.name, None, idle_since)
    target = _Target(
        action=Action.REMOVE if rule.action is RuleAction.REMOVE and server.name else Action.STOP,
        rule=rule,
        idle_since=idle_since,
        deadlines=deadlines,
        held=protections.held_until(user, server.name),
        extended=protections.extended_until(user, server.name),
        spared_by_arbiter=arbiter is False,
    )
    decision = _decide(target, now, trust_idle_from)
    if exempt is Reason.UNREPORTED and decision.reason is Reason.ACTIVE:
        return replace(decision, reason=exempt)
    return decision


def decide_user(
    user: User,
    policy: Policy,
    now: datetime,
    *,
    protections: Protections = NO_PROTECTIONS,
    trust_idle_from: datetime | None = None,
) -> Decision:
    """Whether to delete a user. A user with a running server is kept.

    So is one who would lose something that only an administrator can give back: the membership in
    a group, such as the graders of a course, or an account that they have not used yet.
    """
    rule = policy.rule_for_user(user, now)
    idle_since = None
    if "last_activity" not in user.problems:
        idle_since = user.last_activity or user.created
    reason = None
    if not policy.flags.cull_users or user.kind != "user":
        reason = Reason.NOT_CULLED
    elif _may_have_servers(user):
        reason = Reason.SERVERS_RUNNING
    elif user.admin and not policy.flags.cull_admin_users:
        reason = Reason.ADMIN_SPARED
    elif not policy.flags.cull_group_members and (user.groups or "groups" in user.problems):
        reason = Reason.MEMBER_SPARED
    elif not policy.flags.cull_unused_users and _is_unused(user):
        reason = Reason.UNUSED_SPARED
    elif rule.action is RuleAction.NEVER:
        reason = Reason.NEVER
    if reason is not None:
        return Decision(Action.KEEP, reason, rule.name, None, idle_since)
    target = _Target(
        action=Action.DELETE_USER,
        rule=rule,
        idle_since=idle_since,
        deadlines=_Deadlines.of(rule.user_timeout, idle_since, rule.user_max_age, user.created),
        held=protections.held_until(user, None),
        extended=protections.extended_until(user, None),
    )
    return _decide(target, now, trust_idle_from)


def _may_have_servers(user: User) -> bool:
    """Whether a server is running, or may be because the servers are unknown or invalid."""
    return "servers" in user.problems or any(map(is_running, user.servers.values()))


def _is_unused(user: User) -> bool:
    """Whether the user has never signed in: since the account was created, nothing happened."""
    return user.last_activity is None and "last_activity" not in user.problems


def _exempt(server: Server, flags: Flags) -> Reason | None:
    """Why idleness does not stop this kind of server; None if it does."""
    if kind_of(server) is Kind.DEFAULT:
        return None if flags.cull_default_servers else Reason.DEFAULT_SPARED
    return None if flags.cull_named_servers else Reason.NAMED_SPARED


class _Deadlines(NamedTuple):
    """When idleness and age are due. None: never, or there is no usable time to count from."""

    idle: datetime | None
    age: datetime | None
    no_time: bool = False

    @classmethod
    def of(
        cls,
        timeout: float | None,
        idle_since: datetime | None,
        max_age: float | None,
        began: datetime | None,
    ) -> "_Deadlines":
        idle = _later(idle_since, timeout)
        age = _later(began, max_age)
        missing = (timeout is not None and idle is None) or (max_age is not None and age is None)
        return cls(idle, age, missing and idle is None and age is None)

    def with_verdict(self, arbiter: bool, now: datetime) -> "_Deadlines":
        """The deadlines after the arbiter's verdict on idleness, if there is a usable time.

        A server that the arbiter spares before its timeout keeps the timeout as its deadline:
        the arbiter is asked again then, and a user can extend it.
        """
        if self.idle is None or (not arbiter and now < self.idle):
            return self
        return _Deadlines(now if arbiter else None, self.age, self.no_time)

    @property
    def first(self) -> datetime | None:
        if self.idle is None or self.age is None:
            return self.idle or self.age
        return min(self.idle, self.age)


def _later(since: datetime | None, seconds: float | None) -> datetime | None:
    if since is None or seconds is None:
        return None
    try:
        return since + _duration(seconds)
    except OverflowError:
        return None


@lru_cache(maxsize=256)  # the timeouts of the rules, needed for every server
def _duration(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


class _Target(NamedTuple):
    """A server or user that its rule may act on. ``action`` is what happens once it is due."""

    action: Action
    rule: Rule
    idle_since: datetime | None
    deadlines: _Deadlines
    held: datetime | None
    extended: datetime | None
    spared_by_arbiter: bool = False

    def keep(self, reason: Reason, due: datetime | None) -> Decision:
        return Decision(Action.KEEP, reason, self.rule.name, due, self.idle_since)


def _decide(target: _Target, now: datetime, trust_idle_from: datetime | None) -> Decision:
    """Act if a deadline has passed and nothing protects the target; otherwise say what does."""
    deadlines, held, extended = target.deadlines, target.held, target.extended
    if deadlines.no_time:
        return target.keep(Reason.NO_TIME, None)
    trusted = deadlines.idle
    if trusted is not None and trust_idle_from is not None and trust_idle_from > trusted:
        trusted = trust_idle_from
        deadline = deadlines._replace(idle=trusted).first
    else:
        deadline = deadlines.first
    if deadline is None:
        return target.keep(Reason.ARBITER if target.spared_by_arbiter else Reason.ACTIVE, None)
    due = deadline
    if held is not None or extended is not None:
        due = max(end for end in (deadline, held, extended) if end is not None)
    if now >= due:
        idle = trusted is not None and now >= trusted
        reason = Reason.IDLE if idle else Reason.MAX_AGE
        return Decision(target.action, reason, target.rule.name, due, target.idle_since)
    if held is not None and now < held:
        return target.keep(Reason.HELD, due)
    if extended is not None and now < extended:
        return target.keep(Reason.EXTENDED, due)
    if deadlines.idle is not None and deadlines.idle <= now:
        # Until the Hub has been seen up, the end of settling is unknown.
        return target.keep(Reason.SETTLING, due if due.year < MAXYEAR else None)
    return target.keep(Reason.ACTIVE, due)
