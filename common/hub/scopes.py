"""Checks the scopes of a service's token and prints the role that grants the missing ones."""

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


def missing(required: Collection[str], granted: Collection[str]) -> frozenset[str]:
    """The required scopes that are not granted.

    A scope with a filter (``servers!group=x``) counts as the scope itself: an administrator may
    limit what a service sees, and the Hub then returns only that.
    """
    bases = {scope.partition("!")[0] for scope in granted}
    return frozenset(scope for scope in required if not _is_granted(scope, set(granted), bases))


def _is_granted(scope: str, granted: set[str], bases: set[str]) -> bool:
    base, _, only = scope.partition("!")
    if scope in granted or base in granted:
        return True
    return not only and base in bases


def role_for(service: str, scopes: Collection[str]) -> str:
    """The lines for ``jupyterhub_config.py`` that grant a service these scopes."""
    listed = "".join(f'            "{scope}",\n' for scope in sorted(scopes))
    return (
        "c.JupyterHub.load_roles = [\n    {\n"
        f'        "name": "{service}-role",\n        "services": ["{service}"],\n'
        f'        "scopes": [\n{listed}        ],\n    }},\n]'
    )


async def check(
    hub: "HubClient",
    required: Mapping[str, str],
    *,
    role: str,
    stopping: asyncio.Event,
    wait: bool = True,
    service: str = "",
) -> frozenset[str]:
    """Log each missing scope with its reason, then ``role``. Returns the missing scopes.

    ``service`` is the name of a service with pages: nobody can sign in there if the token belongs
    to another service or to a user, which is logged, too.

    ``required`` maps scopes to reasons ("to stop servers"). While the Hub is down or does not
    accept the token (yet), the request is repeated at least every 30 s until ``stopping`` is set.
    With ``wait`` False the first HubError is raised instead.
    """
    pause, logged = FIRST_WAIT_SECONDS, ""
    while not stopping.is_set():
        try:
            owner = await hub.whoami()
        except HubError as error:
            if not wait:
                raise
            rejected = isinstance(error, HubForbidden)
            if logged != str(error):
                logged = str(error)
                what = "The Hub does not accept the token" if rejected else "Waiting for the Hub"
                log.warning("%s: %s", what, error)
        else:
            if logged:
                log.info("The Hub is available.")
            if service and (owner.kind, owner.name) != ("service", service):
                _report_owner(owner.kind, owner.name, service)
            lacking = missing(required, owner.scopes)
            _report(required, lacking, role)
            return lacking
        try:
            await asyncio.wait_for(stopping.wait(), pause)
        except TimeoutError:
            pause = min(pause * 2, LONGEST_WAIT_SECONDS)
    return frozenset()


def _report_owner(kind: str, name: str, service: str) -> None:
    other = f"; write --service-name={name}" if kind == "service" else ""
    log.error(
        "Nobody can sign in: the token belongs to the %s %s at the Hub, not to the service %s. Use"
        " the api_token of this service in c.JupyterHub.services%s.",
        kind,
        name,
        service,
        other,
    )


def _report(required: Mapping[str, str], lacking: Collection[str], role: str) -> None:
    for scope in sorted(lacking):
        log.error("The scope %s is missing. It is needed %s.", scope, required[scope])
    if lacking:
        log.error("Add this role to jupyterhub_config.py:")
        for line in role.splitlines():
            log.error("%s", line)
