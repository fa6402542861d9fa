"""Stored names on the services' own pages, in a real browser: they stay text.

Each page is opened twice: with its policy, which must not have to stop anything, and without, so
that the escaping alone has to suffice.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from services.cull.policy.model import Flags, Policy
from services.cull.policy.rules import Match, Rule
from services.cull.store.records import Event
from services.formgrader_proxy.store.audit import Change
from services.stats.records import Person, Session
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.attacks.pages.names import WITH_SLASH
from tests.cull.web import site as cull
from tests.fakes import oauth
from tests.formgrader_proxy import site as formgrader
from tests.stats.course import ALL, at, course
from tests.stats.web import site as stats

POLICY = pytest.mark.parametrize("policy", [True, False], ids=["with policy", "without policy"])
HOSTILE = WITH_SLASH.values()
#: The forms and addresses of the services refuse line separators.
TYPED = [name for name in HOSTILE if "\u2028" not in name]


@asynccontextmanager
async def viewer(
    chromium: Browser, signed_in: oauth.Browser, prefix: str, policy: bool
) -> AsyncIterator[Page]:
    """A page of a browser with the session of another one. Nothing hostile may run in it.

    With its policy, the page may not report a violation either.
    """
    context = await chromium.new_context(bypass_csp=not policy)
    origin = signed_in.service_origin
    await context.add_cookies(
        [
            {"name": name, "value": value, "url": origin + prefix}
            for name, value in signed_in.cookies().items()
        ]
    )
    errors: list[str] = []

    def note(said: ConsoleMessage) -> None:
        if said.type == "error":
            errors.append(said.text)

    context.on("console", note)
    context.on("weberror", lambda broken: errors.append(str(broken.error)))
    page = await context.new_page()
    yield page
    await context.close()
    assert errors == []


async def harmless(page: Page, address: str, shown: Iterable[str] = ()) -> None:
    """Open a page, see these texts, and find that nothing ran."""
    answer = await page.goto(address)
    assert answer is not None
    assert answer.status == 200, address
    content = await page.inner_text("body")
    for text in shown:
        assert text in content, (address, text)
    # Focus and animation frames, which the attributes of a name would react to.
    await page.evaluate("document.querySelectorAll('input, a, button').forEach(one => one.focus())")
    await page.evaluate("new Promise(requestAnimationFrame)")
    assert await page.evaluate("window.hostile") is None, address
    assert await page.locator("[onerror], [onload], [onfocus], [href^=javascript]").count() == 0


async def test_names_run_where_nothing_is_escaped(chromium: Browser) -> None:
    """The same names printed without escaping: into text, an attribute and a script."""
    context = await chromium.new_context()
    page = await context.new_page()
    for template in ("<p>{}</p>", '<input value="{}">', '<script>var name = "{}";</script>'):
        ran = 0
        for name in HOSTILE:
            await page.goto("about:blank")
            await page.set_content(template.format(name))
            await page.evaluate("new Promise(requestAnimationFrame)")
            ran += await page.evaluate("window.hostile") is not None
        assert ran
    await context.close()


@pytest.mark.attack("stored-own-cull")
@POLICY
async def test_names_on_the_cullers_pages(chromium: Browser, tmp_path: Path, policy: bool) -> None:
    """Users, servers, groups, rules, and the fields of holds and of the audit log."""
    async with cull.cull_site(tmp_path) as site:
        site.add_user("root", admin=True)
        for name in HOSTILE:
            site.add_user(name, name)
            site.hub.add_server(name, name, idle=300)
        rules = [Rule(name, Match(groups=(name,)), idle_timeout=None) for name in HOSTILE]
        flags = Flags(timeout=600)
        site.policy = Policy((*rules, *Policy.from_flags(flags).rules), flags)
        await site.culler.run_pass()
        admin = await site.browser("root")
        now = site.clock.now()
        for name in HOSTILE:
            for kind in ("user", "group", "server"):
                server = name if kind == "server" else ""
                until = now + timedelta(hours=1)
                await site.store.hold(
                    kind, name, server=server, until=until, by=name, why=name, now=now
                )
            await site.store.audit(
                Event(
                    at=now,
                    who=name,
                    action=name,
                    target=name,
                    name=name,
                    server=name,
                    reason=name,
                    rule=name,
                )
            )
        origin = site.origin + cull.PREFIX
        async with viewer(chromium, admin, cull.PREFIX, policy) as page:
            for path in ("servers", "holds", "history", "rules"):
                await harmless(page, origin + path, HOSTILE)
            await page.goto(origin + "servers")
            await page.fill("input[name=q]", "<svg onload")
            await expect(page.locator("tbody tr")).to_have_count(1)
            assert await page.evaluate("window.hostile") is None
        for name in HOSTILE:
            own = await site.browser(quote(name))
            async with viewer(chromium, own, cull.PREFIX, policy) as page:
                await harmless(page, origin, [name])


@pytest.mark.attack("stored-own-stats")
@POLICY
async def test_names_on_the_statistics_pages(
    chromium: Browser, tmp_path: Path, policy: bool
) -> None:
    """Users, servers, groups and profiles, also where a chart is drawn from them."""
    changes = course()
    for number, name in enumerate(HOSTILE, 20):
        changes.groups[number] = name
        changes.profiles[number] = name
        changes.people[number] = Person(number, name, at(-30), at(-9))
        changes.join(number, number, at(-9))
        changes.activity[number, at(0, 10)] = at(0, 11)
        changes.sessions[number] = Session(
            number, number, name, number, at(0, 10), at(0, 11), at(0, 12)
        )
    await stats.write(tmp_path / "stats.sqlite", changes)
    store = await Store.open(f"sqlite:///{tmp_path}/stats.sqlite", stats.UTC)
    async with stats.stats_site(Queries(store)) as site:
        site.add_user("root", admin=True)
        admin = await site.browser("root")
        await admin.go(stats.PREFIX)
        origin = site.origin + stats.PREFIX
        async with viewer(chromium, admin, stats.PREFIX, policy) as page:
            for path in (f"?{ALL}", f"users?{ALL}", "inactive?since=2026-03-09"):
                shown = HOSTILE if not path.startswith("?") else ()
                await harmless(page, origin + path, shown)
            tables = await page.locator("table[data-draw]").count()
            await expect(page.locator(".chart canvas")).to_have_count(tables)
            await harmless(page, f"{origin}meeting?group={quote(TYPED[0])}&{ALL}", TYPED[:1])
            await page.goto(f"{origin}users?{ALL}")
            rows = page.locator("tbody a")
            links = await rows.evaluate_all("all => all.map(one => [one.textContent, one.href])")
            assert set(HOSTILE) <= {name for name, _ in links}
            for name, link in links:
                assert link.startswith(origin)
                if name in TYPED:  # others are refused as invalid
                    await harmless(page, link, [name])
    await store.close()


@pytest.mark.attack("stored-own-formgrader")
@POLICY
async def test_names_on_the_formgrader_proxys_pages(
    chromium: Browser, tmp_path: Path, policy: bool
) -> None:
    """Course titles and all fields of the audit log."""
    title = "".join(HOSTILE)
    async with formgrader.formgrader_site(tmp_path) as site:
        courses = {
            one.course.id: replace(one.course, title=title) for one in site.formgraders.all()
        }
        await site.formgraders.replace(courses)
        for name in HOSTILE:
            await site.audit.begin(
                Change(
                    at=site.clock.now(),
                    course="course101",
                    user=name,
                    role=name,
                    action=name,
                    path=name,
                    fields=(name,),
                )
            )
        browser = await site.browser(formgrader.INSTRUCTOR)
        origin = site.origin + formgrader.PREFIX
        async with viewer(chromium, browser, formgrader.PREFIX, policy) as page:
            await harmless(page, origin, [title])
            await harmless(page, origin + "audit/course101", HOSTILE)
