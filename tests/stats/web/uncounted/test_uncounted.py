"""Pages and API with users who are not counted: what each role sees of them."""

import pytest

from services.stats.days import Period
from services.stats.settings.exclusion import Exclusion
from services.stats.settings.terms import terms_as_text
from services.stats.store import tables as t
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.excluded import keep_unmatched
from services.stats.store.store import Store
from tests.stats.course import ALL, at, day
from tests.stats.web.api.client import ask
from tests.stats.web.site import HOSTILE, StatsSite, get, rows, text

PATTERNS = ("ana", HOSTILE, "group:nbgrader-y", "bne")
LINE = "Not counted: 2 users ( ana, <script>alert(1)</script>, group nbgrader-y, bne )."


@pytest.fixture(autouse=True)
async def excluded(store: Store) -> None:
    """Ana, one user with a hostile name, and the members of y are not counted."""
    leader = await store.take_leadership()
    state = await store.load_state()
    async with store.writing() as connection:
        for name in ("ana", HOSTILE):
            if (person := state.people.get(name)) is not None:
                await connection.execute(
                    t.users.update().where(t.users.c.id == person.id).values(excluded=True)
                )
    exclusion = Exclusion(PATTERNS)
    await store.keep_exclusion(exclusion, leader=leader)
    await roll_up_until(store, at(7, 16))
    await keep_unmatched(store, exclusion, ())


async def test_every_page_says_who_is_not_counted(site: StatsSite) -> None:
    """Administrators see the patterns, escaped, and those that match nobody."""
    for path in ("", "users", "inactive", "servers"):
        page = await get(site, "root", f"{path}?{ALL if path != 'inactive' else ''}")
        assert page.status == 200, path
        assert LINE in text(page), path
        assert 'no user or group matches bne; did you mean "ben"?' in text(page)
        assert HOSTILE not in page.text
        assert "Figures about running servers and starts of servers include theirs." in text(page)


async def test_graders_see_only_the_number_of_their_group(site: StatsSite) -> None:
    """Neither names nor patterns, and no link to a list."""
    for path in ("", "users", "servers"):
        page = await get(site, "prof", f"{path}?{ALL}")
        shown = text(page).partition("Not counted: ")[2]
        assert shown.startswith("2 members of this group."), path
        for secret in ("group nbgrader-y", "bne", "List them"):
            assert secret not in page.text
    listed = await get(site, "prof", "users?" + ALL)
    assert "<bdi>ana</bdi>" not in listed.text
    assert "<bdi>ben</bdi>" in listed.text


@pytest.mark.parametrize("path", ["users", "inactive", "csv/users.csv", "csv/inactive.csv"])
async def test_only_full_access_lists_who_is_not_counted(site: StatsSite, path: str) -> None:
    """Others get the refusal that they get for a group that they may not see."""
    page = await get(site, "root", f"{path}?excluded=1&{ALL}")
    assert (page.status, "ana" in page.text) == (200, True)
    refused = await get(site, "prof", f"{path}?excluded=1")
    assert refused.status == 403
    for user in ("ana", "new"):
        assert (await get(site, user, f"{path}?excluded=1")).status == 403
    assert (await get(site, "root", f"{path}?excluded=yes")).status == 400


async def test_excluded_users_are_marked(site: StatsSite) -> None:
    """In the table, in CSV, and on their own page for those who may see everything."""
    page = await get(site, "root", f"users?excluded=1&q=ana&{ALL}")
    assert '<bdi>ana</bdi></a> <span class="badge">not counted</span>' in page.text
    assert "List counted users only" in text(page)
    table = rows(await get(site, "root", f"csv/users.csv?excluded=1&{ALL}"))
    assert {row["name"]: row["excluded"] for row in table if row["name"] in ("ana", "ben")} == {
        "ana": "yes",
        "ben": "no",
    }
    assert "excluded" not in rows(await get(site, "root", f"csv/users.csv?{ALL}"))[0]
    own = "This user is not counted in the figures of the hub and its groups."
    assert own in text(await get(site, "root", f"person?user=ana&{ALL}"))
    assert own not in text(await get(site, "root", f"person?user=ben&{ALL}"))


async def test_excluded_users_have_their_own_page(site: StatsSite) -> None:
    """It shows all their work, and nothing about the setting; so does a grader's view."""
    for user, address in (("ana", ""), ("prof", "person?user=ana&")):
        page = await get(site, user, f"{address or '?'}{ALL}")
        assert page.status == 200
        assert "2 h" in text(page)
        assert "ot counted" not in page.text


async def test_the_api_leaves_them_out(site: StatsSite) -> None:
    """It gives their number with the summary; the patterns only to those with full access."""
    status, body = await ask(site, "root", f"summary?{ALL}&by=all")
    assert status == 200
    assert (body["not_counted"], body["not_counted_since"]) == (2, None)
    assert body["total"]["active_users"] == body["periods"][0]["active_users"] == 2
    _, body = await ask(site, "prof", f"summary?{ALL}&group=nbgrader-x")
    assert body["not_counted"] == 2
    assert (await ask(site, "root", "about"))[1]["exclude"] == list(PATTERNS)
    assert (await ask(site, "prof", "about"))[1]["exclude"] == []
    for path in ("people?", "inactive?since=2026-03-09&"):
        _, body = await ask(site, "root", f"{path}excluded=1&q=ana")
        assert {one["name"]: one["excluded"] for one in body["people"]}["ana"] is True
        _, body = await ask(site, "root", f"{path}q=ana")
        assert "ana" not in [one["name"] for one in body["people"]]
        assert (await ask(site, "prof", f"{path}excluded=1&group=nbgrader-x"))[0] == 403


async def test_periods_by_term(site: StatsSite, store: Store) -> None:
    """Pages, CSV and API split the days by the terms of the service, once it has any."""
    refused = await get(site, "root", f"?{ALL}&by=term")
    assert refused.status == 400
    assert "by: no terms are known; start the service with --terms=FILE." in text(refused)
    assert '<option value="term"' not in (await get(site, "root", "?" + ALL)).text
    terms = (Period(day(-40), day(-6), "Winter <b>"), Period(day(-1), day(90), "Spring"))
    await store.keep_terms(terms_as_text(terms))
    page = await get(site, "root", f"?{ALL}&by=term")
    assert '<option value="term" selected>term</option>' in page.text
    assert '<option value="all">whole range</option>' in page.text
    assert "Winter &lt;b&gt;" in page.text
    assert "Winter <b>" not in page.text
    found = rows(await get(site, "root", f"csv/active.csv?{ALL}&by=term"))
    assert [(row["name"], row["first"], row["last"]) for row in found] == [
        ("Winter <b>", "2026-02-21", "2026-02-24"),
        ("between terms", "2026-02-25", "2026-02-28"),
        ("Spring", "2026-03-01", "2026-03-09"),
    ]
    assert [row["active_users"] for row in found] == ["1", "0", "1"]
    _, body = await ask(site, "root", f"summary?{ALL}&by=term")
    assert [period["name"] for period in body["periods"]] == [row["name"] for row in found]
    _, body = await ask(site, "prof", "about")
    assert [term["name"] for term in body["terms"]] == ["Winter <b>", "Spring"]


async def test_few_periods_are_shown_as_numbers(site: StatsSite) -> None:
    """A chart of one to three points says less than its table, which is open in its place."""
    page = await get(site, "root", f"?{ALL}&by=all")
    section = page.text.partition('id="newcomers"')[2].partition("</section>")[0]
    assert '<details class="numbers" open>' in section
    assert "data-draw" not in section
    by_day = await get(site, "root", f"?{ALL}")
    section = by_day.text.partition('id="newcomers"')[2].partition("</section>")[0]
    assert "data-draw" in section
    assert '<details class="numbers">' in section
