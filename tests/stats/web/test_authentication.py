"""Who is signed in, and as whom."""

import pytest

from services.stats.scopes import ADMIN_SCOPE
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.web.site import ACCESS, PREFIX, StatsSite, add_people, get, stats_site, text


@pytest.mark.parametrize(
    ("owner", "kind", "scopes", "path", "status"),
    [
        ("root", "user", [ACCESS], "csv/users.csv", 200),
        ("root", "user", [], "csv/users.csv", 403),
        ("ana", "user", [ACCESS], "csv/users.csv", 403),
        ("ana", "user", [ACCESS], "csv/timeline.csv", 200),
        ("eva", "user", [ACCESS, ADMIN_SCOPE], "csv/users.csv", 200),
        ("robot", "service", [ACCESS], "csv/users.csv", 403),
        ("ana", "service", [ACCESS], "csv/timeline.csv", 403),
        ("robot", "service", [ACCESS, ADMIN_SCOPE], "csv/users.csv", 200),
    ],
)
async def test_token_access(
    site: StatsSite, owner: str, kind: str, scopes: list[str], path: str, status: int
) -> None:
    """A token gives its owner's access; a service does not act as the user of the same name."""
    token = site.oauth.add_token(owner, *scopes, kind=kind)
    headers = {"Authorization": f"token {token}"}
    async with site.session.get(site.origin + PREFIX + path, headers=headers) as answer:
        assert answer.status == status


async def test_admin_groups_replace_hub_admins(store: Store) -> None:
    """With --admin-groups their members see everything, and Hub administrators do not."""
    async with stats_site(Queries(store), admin_groups=frozenset({"staff"})) as made:
        add_people(made).add_user("boss", "staff")
        assert "The whole hub" in text(await get(made, "boss", ""))
        assert (await get(made, "root", "users")).status == 403


async def test_leaving_a_group_takes_effect_at_once(site: StatsSite) -> None:
    """Groups are looked up for each request, not taken from the sign-in."""
    browser = await site.browser("prof")
    assert (await browser.go(PREFIX + "users")).status == 200
    site.hub.users["prof"].groups = []
    assert (await browser.go(PREFIX + "users")).status == 403


async def test_signed_out_browser_is_sent_to_the_hub(site: StatsSite) -> None:
    """A page redirects to the login; a script gets 401."""
    browser = await site.browser()
    page = await browser.go(PREFIX + "users", follow=False)
    assert page.status == 302
    assert page.headers["Location"].startswith("/hub/api/oauth2/authorize?")
    assert (await browser.fetch(PREFIX + "csv/users.csv")).status == 401


async def test_access_scope_is_required(site: StatsSite) -> None:
    """A user without access to the service gets 403."""
    site.oauth.add_user("outsider", access=False)
    assert (await get(site, "outsider", "")).status == 403
