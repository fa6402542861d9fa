"""Who sees and holds everything. Pure.

An admin of the culler is, in this order:

- who holds the scope ``custom:jupyterhub-cull:admin``. The hub must define it in
  ``c.JupyterHub.custom_scopes``, a role must give it, and ``oauth_client_allowed_scopes`` of this
  service must list it, or no one's sign-in carries it;
- a member of one of the configured admin groups;
- where no admin groups are configured: an admin of the Hub.

Groups and the admin flag are what this service's own look-up of the user says: the token of a
sign-in need not carry them.
"""

from collections.abc import Iterable

from common.hub.models import User
from services.cull.scopes import ADMIN_SCOPE


def is_admin(
    scopes: Iterable[str], user: User | None, *, admin_groups: frozenset[str] = frozenset()
) -> bool:
    """Whether the owner of these scopes may see and hold everything.

    user: the owner as the Hub tells us now, None for a service.
    """
    if ADMIN_SCOPE in scopes:
        return True
    if user is None:
        return False
    if admin_groups:
        return not admin_groups.isdisjoint(user.groups)
    return user.admin
