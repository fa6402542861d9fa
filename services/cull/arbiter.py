"""Asks jupyterhub-idle-culler's ``cull_arbiter_hook``, an administrator's rule for idleness."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime

from common.hub.models import Server
from services.cull.policy.rules import Rule

#: Called with the keywords ``inactive`` (timedelta), ``inactive_limit`` (seconds) and ``server``
#: (the Hub's model, a dict). Returns True to stop the server.
Arbiter = Callable[..., bool | Awaitable[bool]]


async def ask(arbiter: Arbiter, server: Server, rule: Rule, now: datetime) -> bool | None:
    """The arbiter's verdict on a server; None where it does not apply.

    As in jupyterhub-idle-culler, it is not called for servers that are starting, stopping or not
    ready. Unlike there, it is also not called for servers without a usable time or whose rule
    has no idle timeout. Raises whatever the arbiter raises.
    """
    since = server.last_activity or server.started
    if server.pending or not server.ready or since is None or "last_activity" in server.problems:
        return None
    if rule.idle_timeout is None:
        return None
    limit = int(rule.idle_timeout) if rule.idle_timeout == int(rule.idle_timeout) else None
    verdict = arbiter(
        inactive=now - since,
        inactive_limit=rule.idle_timeout if limit is None else limit,
        server=server.model if server.model is not None else {},
    )
    if inspect.isawaitable(verdict):
        verdict = await verdict
    return bool(verdict)
