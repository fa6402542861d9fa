"""``explain USER[/SERVER]``: which rule applies, and when the servers would stop."""

from datetime import datetime, timedelta

from common.errors import HubNotFound, ServiceError
from common.hub.client import HubClient
from common.hub.models import Server, User
from services.cull.assembly import Plan, assemble
from services.cull.commands.explanation import explain_server, explain_user
from services.cull.evaluator import PolicyEvaluator, Snapshot
from services.cull.policy.settle import process_start


class UnknownTarget(ServiceError):
    """The Hub has no such user, or the user has no such server."""


class ArbiterFailed(ServiceError):
    """cull_arbiter_hook raised an exception; in a pass, this keeps the server running."""


async def explain(plan: Plan, user: str, server: str | None) -> list[str]:
    """Lines for a terminal about one server or, where it is None, the user and all servers.

    Raises UnknownTarget, ArbiterFailed, and the errors of the Hub client and the database.
    """
    async with assemble(plan) as parts:
        if parts.store is not None:
            await parts.store.open()
        return await _explain(parts.hub, parts.evaluator, user, server, plan.settle_seconds)


async def _explain(
    hub: HubClient, evaluator: PolicyEvaluator, name: str, server: str | None, settle_seconds: float
) -> list[str]:
    try:
        user = await hub.user(name)
    except HubNotFound:
        raise UnknownTarget(f"The Hub has no user {name!r}.") from None
    if server is not None and server not in user.servers:
        which = f"server {server!r}" if server else "default server"
        raise UnknownTarget(f"The {which} of {name!r} is not running.")
    protections = await evaluator.protections()
    moment = evaluator.snapshot(protections)
    trust_idle_from = await _trust_idle_from(hub, settle_seconds)
    verdicts = {
        one.name: await _verdict(moment, user, one)
        for one in user.servers.values()
        if server in (None, one.name)
    }
    if server is None:
        return explain_user(
            user,
            moment.policy,
            moment.now,
            protections=protections,
            trust_idle_from=trust_idle_from,
            arbiters=verdicts,
            local=datetime.astimezone,
        )
    return explain_server(
        user,
        user.servers[server],
        moment.policy,
        moment.now,
        protections=protections,
        trust_idle_from=trust_idle_from,
        arbiter=verdicts[server],
        local=datetime.astimezone,
    )


async def _verdict(moment: Snapshot, user: User, server: Server) -> bool | None:
    try:
        return await moment.verdict(user, server)
    except Exception as error:  # the hook is an administrator's code and may raise anything
        name = f"{user.name}/{server.name}"
        raise ArbiterFailed(
            f"cull_arbiter_hook failed for {name}, so the server is kept running:"
            f" {type(error).__name__}: {error}"
        ) from error


async def _trust_idle_from(hub: HubClient, settle_seconds: float) -> datetime | None:
    """When reported activity can be trusted again after the Hub's start.

    The running service also knows about outages; this command only knows the start, and only
    if the token may read the Hub's metrics.
    """
    started = process_start(await hub.metrics()) if settle_seconds else None
    return started + timedelta(seconds=settle_seconds) if started else None
