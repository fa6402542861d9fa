"""Who is an administrator of the culler, and who may use the site."""

import pytest

from common.hub.models import User
from services.cull.scopes import ADMIN_SCOPE
from services.cull.web.access import AccessDenied, Viewer, is_admin
from tests.cull.web.site import CullSite

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
def test_the_scope_or_a_group_or_the_hub_makes_an_administrator(
    scopes: set[str], user: User | None, admin_groups: set[str], *, admin: bool
) -> None:
    """The scope always counts; configured groups replace the Hub's own administrators."""
    assert is_admin(scopes, user, admin_groups=frozenset(admin_groups)) is admin


async def test_a_viewer_is_read_from_the_hub(site: CullSite) -> None:
    """The pages of a user know their groups and servers as they are now."""
    status, body = await site.api("GET", "servers", user="ada")
    assert status == 200
    assert body["servers"][0]["groups"] == ["course"]
    site.hub.users["ada"].groups = ["other"]
    _, body = await site.api("GET", "servers", user="ada")
    assert body["servers"][0]["groups"] == ["other"]


def test_only_an_administrator_passes_the_check() -> None:
    """The message names who may do it."""
    Viewer("root", None, admin=True).require_admin()
    with pytest.raises(AccessDenied, match="Only administrators"):
        Viewer("ada", USER, admin=False).require_admin()
