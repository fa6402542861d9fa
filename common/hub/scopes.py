"""Which scopes our token has, which it lacks, and the role to write for them."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from common.errors import HubError, HubForbidden

if TYPE_CHECKING:
    from common.hub.client import HubClient

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0


def missing(needed: Collection[str], have: Collection[str]) -> frozenset[str]:
    """The needed scopes that are not there.

    A scope with a filter (``servers!group=x``) stands for the scope itself: an administrator
    may narrow what a service sees, and the Hub then shows it no more than that.
    """
    bases = {scope.partition("!")[0] for scope in have}
    return frozenset(scope for scope in needed if not _is_there(scope, set(have), bases))


def _is_there(scope: str, have: set[str], bases: set[str]) -> bool:
    base, _, only = scope.partition("!")
    if scope in have or base in have:
        return True
    return not only and base in bases


def role_for(service: str, scopes: Collection[str]) -> str:
    """The lines for jupyterhub_config.py that give the service these scopes."""
    listed = "".join(f'            "{scope}",\n' for scope in sorted(scopes))
    return (
        "c.JupyterHub.load_roles = [\n    {\n"
        f'        "name": "{service}-role",\n        "services": ["{service}"],\n'
        f'        "scopes": [\n{listed}        ],\n    }},\n]'
    )


async def check(
    hub: "HubClient",
    needed: Mapping[str, str],
    *,
    service: str,
    stopping: asyncio.Event,
    wait: bool = True,
) -> frozenset[str]:
    """Ask the Hub for our own scopes and log what is missing, why it is needed and the role.

    While the Hub is away, or does not know our token (yet), it is asked again, at most every
    30 s, until ``stopping``. With ``wait`` False the first error is raised.
    """
    pause, said = FIRST_WAIT_SECONDS, ""
    while not stopping.is_set():
        try:
            owner = await hub.whoami()
        except HubError as error:
            if not wait:
                raise
            what = (
                "The Hub does not accept our token"
                if isinstance(error, HubForbidden)
                else "Waiting for the Hub"
            )
            if said != str(error):
                said = str(error)
                log.warning("%s: %s", what, error)
        else:
            if said:
                log.info("The Hub is there.")
            return _report(service, needed, missing(needed, owner.scopes))
        try:
            await asyncio.wait_for(stopping.wait(), pause)
        except TimeoutError:
            pause = min(pause * 2, LONGEST_WAIT_SECONDS)
    return frozenset()


def _report(service: str, needed: Mapping[str, str], lacking: frozenset[str]) -> frozenset[str]:
    for scope in sorted(lacking):
        log.error("The scope %s is missing. It is needed %s.", scope, needed[scope])
    if lacking:
        log.error("Write in jupyterhub_config.py:")
        for line in role_for(service, needed).splitlines():
            log.error("%s", line)
    return lacking
