"""The statistics' pages in front of a fake Hub: everything is real but the Hub.

Two fakes replace the Hub: one signs users in, the other serves the API. ``add_user`` creates a
user in both.
"""

import csv
import io
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
from aiohttp import web

from common.hub.client import HubClient
from common.hub.retry import NO_RETRY
from common.oauth.sign_in import OAuthSettings, SignIn
from common.readiness import Readiness
from common.web.application import create_app
from common.web.metrics import Metrics
from common.web.server import Bind, serve
from services.stats.records import Changes
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from services.stats.web.api.handlers import add_api
from services.stats.web.authentication import Authenticator
from services.stats.web.dashboard import add_pages
from services.stats.web.pages import CLOCK
from services.stats.web.resources.report import ResourceSource
from tests.fakes.clock import FakeClock
from tests.fakes.hub import FakeHub
from tests.fakes.oauth import Answer, Browser, FakeOAuth
from tests.stats.course import at

PREFIX = "/services/stats/"
ACCESS = "access:services!service=stats"
UTC = ZoneInfo("UTC")
NOW = at(7, 16) + timedelta(minutes=3)
"""When the pages are opened: just after the last poll of the course."""

HOSTILE = "<script>alert(1)</script>"
FORMULA = "=cmd|' /C calc'!A0"
NAMES = [
    *("q?x=1&user=ana", "h#frag", "%41", "名前", "sp ace", HOSTILE, "o'\"neil", "&amp;", FORMULA),
    "a\u202eb",
]
"""User names that would break a careless page, address or spreadsheet."""

FIGURES = (
    "active",
    "ratio",
    "newcomers",
    "servers",
    "sessions",
    "hours",
    "savings",
    "lengths",
    "week",
)
"""The figures of the overview, by the name of their CSV file."""


class StatsSite:
    """The service, its Hub, and browsers."""

    def __init__(self, oauth: FakeOAuth, hub: FakeHub) -> None:
        self.oauth = oauth
        self.hub = hub
        self.app: web.Application
        self.sign_in: SignIn
        self.origin = ""
        self.session: aiohttp.ClientSession
        self._stack = AsyncExitStack()

    def add_user(self, name: str, *groups: str, admin: bool = False) -> None:
        """Add a user who may use the service."""
        self.oauth.add_user(name, *groups, admin=admin)
        self.hub.add_user(name, groups=list(groups), admin=admin)

    async def browser(self, user: str | None = None) -> Browser:
        """A browser, signed in if a user is given."""
        browser = await self._stack.enter_async_context(Browser(self.oauth, self.origin))
        if user:
            await browser.request("GET", "/hub/login", params={"user": user})
        return browser


@asynccontextmanager
async def stats_site(
    queries: Queries,
    *,
    admin_groups: frozenset[str] = frozenset(),
    resources: ResourceSource | None = None,
    now: datetime = NOW,
    email: str = "",
) -> AsyncIterator[StatsSite]:
    """A site that shows what is in a database, just after the last poll of the course."""
    async with AsyncExitStack() as stack:
        oauth = await stack.enter_async_context(FakeOAuth("stats"))
        fake = await stack.enter_async_context(FakeHub())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        site = StatsSite(oauth, fake)
        site.session = session
        hub = HubClient(session, fake.api_url, fake.token, retry=NO_RETRY)
        site.sign_in = SignIn(
            OAuthSettings(
                api_url=oauth.api_url,
                api_token=oauth.secret,
                client_id=oauth.client_id,
                prefix=PREFIX,
                access_scopes=frozenset({ACCESS}),
            )
        )
        site.app = create_app(
            prefix=PREFIX,
            metrics=Metrics("stats"),
            readiness=Readiness(),
            sign_in=site.sign_in,
            authenticate_prometheus=True,
            title="Statistics",
        )
        site.app[CLOCK] = FakeClock(now)
        authenticator = Authenticator(site.sign_in, hub, admin_groups)
        add_pages(
            site.app,
            queries=queries,
            authenticator=authenticator,
            resources=resources,
            email=email,
        )
        add_api(site.app, queries=queries, authenticator=authenticator, resources=resources)
        port = await stack.enter_async_context(serve(site.app, Bind()))
        site.origin = f"http://127.0.0.1:{port}"
        async with site._stack:
            yield site


async def write(path: Path, changes: Changes) -> None:
    """Write records into a new SQLite database, and roll up every day that is over."""
    store = await Store.open(f"sqlite:///{path}", UTC)
    await store.write(changes, leader=await store.take_leadership())
    await roll_up_until(store, at(7, 16))
    await store.close()


def add_people(site: StatsSite) -> StatsSite:
    """Add a user of each role."""
    site.add_user("root", admin=True)
    site.add_user("prof", "formgrade-x")
    site.add_user("other", "formgrade-y", "nbgrader-x")
    site.add_user("ana", "nbgrader-x")
    site.add_user("eva", "nbgrader-x")
    site.add_user("new")
    return site


async def get(site: StatsSite, user: str | None, path: str) -> Answer:
    """A page as that user gets it."""
    return await (await site.browser(user)).go(PREFIX + path)


def text(page: Answer) -> str:
    """The visible text of a page's main part, with white space normalised."""
    main = page.text.partition("<main")[2].partition(">")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


def rows(answer: Answer) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))
