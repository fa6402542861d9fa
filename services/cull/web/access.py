"""Who may use the site, and who sees and holds everything.

An administrator of the culler is:

- anyone with the scope ``custom:jupyterhub-cull:admin``. It must be defined in
  ``c.JupyterHub.custom_scopes``, granted by a role, and listed in this service's
  ``oauth_client_allowed_scopes``; otherwise no sign-in carries it;
- any member of the configured admin groups;
- if no admin groups are configured, any administrator of the Hub.

Groups and the admin flag come from the service's own request to the Hub, because the token of a
sign-in may not be allowed to read them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from common.errors import HubNotFound, ServiceError
from common.hub.client import HubClient
from common.hub.models import User
from common.oauth.sign_in import SignIn
from services.cull.scopes import ADMIN_SCOPE, AUDIT_SCOPE


class AccessDenied(ServiceError):
    """The viewer is not allowed to do this."""


@dataclass(frozen=True)
class Viewer:
    """The user or service that sends a request.

    ``user`` is the Hub's current model, with servers and groups; None for a service.
    """

    name: str
    user: User | None
    admin: bool
    reads_audit: bool = False
    """Whether the audit log is open to a viewer who is not an administrator."""

    def require_admin(self) -> None:
        """Raise AccessDenied unless the viewer is an administrator."""
        if not self.admin:
            raise AccessDenied("Only administrators of the idle culler can do this.")


class Viewers:
    """Finds out who sends a request, and whether they are an administrator."""

    def __init__(
        self, sign_in: SignIn, hub: HubClient, *, admin_groups: frozenset[str] = frozenset()
    ) -> None:
        self._sign_in = sign_in
        self._hub = hub
        self._admin_groups = admin_groups

    async def viewer(self, request: web.Request, *, fresh: bool = False) -> Viewer:
        """The signed-in viewer, as the Hub knows them now.

        Set ``fresh`` for requests that change something: the token is checked with the Hub again.
        Raises AccessDenied, the responses of the sign-in, and the errors of the Hub client.
        """
        identity = await self._sign_in.require(request, fresh=fresh)
        # A service may have the same name as a user, but it is not that user.
        user = await self._user(identity.name) if identity.kind == "user" else None
        admin = is_admin(identity.scopes, user, admin_groups=self._admin_groups)
        return Viewer(identity.name, user, admin, AUDIT_SCOPE in identity.scopes)

    async def admin(self, request: web.Request, *, fresh: bool = False) -> Viewer:
        """The same, for administrators only."""
        viewer = await self.viewer(request, fresh=fresh)
        viewer.require_admin()
        return viewer

    async def auditor(self, request: web.Request) -> Viewer:
        """The same, for administrators and for services that may read the audit log."""
        viewer = await self.viewer(request)
        if not viewer.reads_audit:
            viewer.require_admin()
        return viewer

    async def _user(self, name: str) -> User:
        try:
            return await self._hub.user(name)
        except HubNotFound:
            raise AccessDenied("Your account no longer exists on the Hub.") from None


def is_admin(
    scopes: Iterable[str], user: User | None, *, admin_groups: frozenset[str] = frozenset()
) -> bool:
    """Whether the holder of these scopes may see and hold everything.

    ``user`` is the Hub's current model of the holder; None for a service.
    """
    if ADMIN_SCOPE in scopes:
        return True
    if user is None:
        return False
    if admin_groups:
        return not admin_groups.isdisjoint(user.groups)
    return user.admin
