"""Who is an admin of the culler."""

import pytest

from common.hub.models import User
from services.cull.scopes import ADMIN_SCOPE
from services.cull.web.access import is_admin

USER = User(name="ada", groups=("staff",))
HUB_ADMIN = User(name="root", admin=True)


@pytest.mark.parametrize(
    ("scopes", "user", "admin_groups", "admin"),
    [
        pytest.param(set(), USER, set(), False, id="a user"),
        pytest.param({ADMIN_SCOPE}, USER, set(), True, id="the scope"),
        pytest.param({ADMIN_SCOPE}, None, set(), True, id="a service with the scope"),
        pytest.param({"admin:users"}, None, set(), False, id="another scope"),
        pytest.param({ADMIN_SCOPE + "s"}, USER, set(), False, id="a longer scope"),
        pytest.param(set(), HUB_ADMIN, set(), True, id="a hub admin"),
        pytest.param(set(), USER, {"staff"}, True, id="a member of the admin group"),
        pytest.param(set(), USER, {"other"}, False, id="a member of another group"),
        pytest.param(set(), HUB_ADMIN, {"staff"}, False, id="a hub admin outside the groups"),
        pytest.param({ADMIN_SCOPE}, USER, {"other"}, True, id="the scope beside groups"),
    ],
)
def test_admins_are_told_by_scope_then_groups_then_the_hub(
    scopes: set[str], user: User | None, admin_groups: set[str], *, admin: bool
) -> None:
    """The scope opens always; configured groups take the place of the Hub's own admins."""
    assert is_admin(scopes, user, admin_groups=frozenset(admin_groups)) is admin
