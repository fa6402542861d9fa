"""Who is signed in, and as whom."""

import pytest

from services.stats.query.access import ADMIN_SCOPE
from services.stats.store.queries.dashboard import Queries
from services.stats.store.writer import Store
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
async def test_tokens(
    site: StatsSite, owner: str, kind: str, scopes: list[str], path: str, status: int
) -> None:
    """With a token alone one sees what its owner sees; a service is no user of its name."""
    token = site.oauth.add_token(owner, *scopes, kind=kind)
    headers = {"Authorization": f"token {token}"}
    async with site.session.get(site.origin + PREFIX + path, headers=headers) as answer:
        assert answer.status == status


async def test_configured_groups_go_before_admins(store: Store) -> None:
    """With --admin-groups their members see everything, and a Hub admin no more than a user."""
    async with stats_site(Queries(store), admin_groups=frozenset({"staff"})) as made:
        add_people(made).add_user("boss", "staff")
        assert "The whole hub" in text(await get(made, "boss", ""))
        assert (await get(made, "root", "users")).status == 403


async def test_a_group_left_today_is_left_at_once(site: StatsSite) -> None:
    """Groups are the Hub's of this moment, not those of the sign-in."""
    browser = await site.browser("prof")
    assert (await browser.go(PREFIX + "users")).status == 200
    site.hub.users["prof"].groups = []
    assert (await browser.go(PREFIX + "users")).status == 403


async def test_nobody_signed_in_is_sent_to_the_hub(site: StatsSite) -> None:
    """A person to the login, a script away."""
    browser = await site.browser()
    page = await browser.go(PREFIX + "users", follow=False)
    assert page.status == 302
    assert page.headers["Location"].startswith("/hub/api/oauth2/authorize?")
    assert (await browser.fetch(PREFIX + "csv/users.csv")).status == 401


async def test_who_may_not_use_the_service_gets_nothing(site: StatsSite) -> None:
    """The access scope is asked first."""
    site.oauth.add_user("outsider", access=False)
    assert (await get(site, "outsider", "")).status == 403
