"""jupyterhub-idle-culler's ``cull_arbiter_hook``: an administrator's own word on idleness."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime

from common.hub.models import Server
from services.cull.policy.rules import Rule

#: Called with ``inactive`` (timedelta), ``inactive_limit`` (seconds) and ``server`` (the
#: Hub's own model of it, a dict), by name. True: stop it.
Arbiter = Callable[..., bool | Awaitable[bool]]


async def ask(arbiter: Arbiter, server: Server, rule: Rule, now: datetime) -> bool | None:
    """The arbiter's verdict on a server; None where there is nothing to ask about.

    As there, servers that start, stop or are not ready are not asked about; other than
    there, neither are those without a usable time, nor those whose rule knows no idleness.
    What the arbiter raises goes through.
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
