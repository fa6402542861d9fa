"""``explain USER[/SERVER]``: which rule holds, and when the server would stop."""

from datetime import datetime, timedelta

from common.errors import HubNotFound, ServiceError
from common.hub.client import HubClient
from common.hub.models import Server, User
from services.cull.commands.explanation import explain_server, explain_user
from services.cull.evaluator import PolicyEvaluator, Snapshot
from services.cull.policy.settle import process_start


class NotThere(ServiceError):
    """There is no such user or server."""


class ArbiterFailed(ServiceError):
    """cull_arbiter_hook raised; in a pass this keeps the server."""


async def explain(
    hub: HubClient,
    evaluator: PolicyEvaluator,
    user: str,
    server: str | None,
    *,
    settle_seconds: float,
) -> list[str]:
    """Lines for a terminal. Raises NotThere, ArbiterFailed, and what Hub and database raise.

    A service that runs elsewhere knows when the Hub was away; here only the Hub's own start
    is known, where its metrics may be read.
    """
    try:
        found = await hub.user(user)
    except HubNotFound:
        raise NotThere(f"The Hub knows no user {user}.") from None
    protections = await evaluator.protections()
    moment = evaluator.snapshot(protections)
    policy, now = moment.policy, moment.now
    trust_idle_from = await _believe_from(hub, settle_seconds)
    verdicts = {
        one.name: await _verdict(moment, found, one)
        for one in found.servers.values()
        if server in (None, one.name)
    }
    if server is None:
        return explain_user(
            found,
            policy,
            now,
            protections=protections,
            trust_idle_from=trust_idle_from,
            arbiters=verdicts,
            local=datetime.astimezone,
        )
    one = found.servers.get(server)
    if one is None:
        raise NotThere(f"{user} has no running server {server or '(the default one)'}.")
    return explain_server(
        found,
        one,
        policy,
        now,
        protections=protections,
        trust_idle_from=trust_idle_from,
        arbiter=verdicts[server],
        local=datetime.astimezone,
    )


async def _verdict(moment: Snapshot, user: User, server: Server) -> bool | None:
    try:
        return await moment.verdict(user, server)
    except Exception as error:  # it is an administrator's own code
        what = f"{type(error).__name__}: {error}"
        name = f"{user.name}/{server.name}"
        raise ArbiterFailed(f"cull_arbiter_hook fails on {name}, which is kept: {what}") from error


async def _believe_from(hub: HubClient, settle_seconds: float) -> datetime | None:
    started = process_start(await hub.metrics()) if settle_seconds else None
    return started + timedelta(seconds=settle_seconds) if started else None
