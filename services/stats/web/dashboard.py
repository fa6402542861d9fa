"""The dashboard: all its pages together. They work without scripts, apart from the charts."""

from aiohttp import web

from common.web.pages import PAGES, add_templates
from services.stats.query.presentation import display, plain, unbroken, utc
from services.stats.store.queries.dashboard import Queries
from services.stats.web.authentication import Authenticator
from services.stats.web.charts import warn_without_charts
from services.stats.web.cohort.distribution import DistributionPage
from services.stats.web.cohort.dropped_off import DroppedOff
from services.stats.web.downloads import Downloads
from services.stats.web.errors import add_query_errors
from services.stats.web.meeting.page import MeetingPages
from services.stats.web.overview import Overview
from services.stats.web.pages import HAS_RESOURCES
from services.stats.web.person import PersonPage
from services.stats.web.resources.page import ResourcesPage
from services.stats.web.resources.report import ResourceSource
from services.stats.web.servers.page import ServersPage
from services.stats.web.user_lists import UserLists


def add_pages(
    app: web.Application,
    *,
    queries: Queries,
    authenticator: Authenticator,
    resources: ResourceSource | None = None,
    email: str = "",
) -> None:
    """Add the dashboard to an application of common.web.application.create_app.

    The page about resources exists only if Prometheus is configured.
    ``email`` is the template of users' e-mail addresses, such as ``{name}@uni.example``.
    """
    add_templates(app, "services.stats.meeting", "meeting")
    add_templates(app, "services.stats.web", "stats")
    app[PAGES].environment.filters.update(display=display, plain=plain, unbroken=unbroken, utc=utc)
    add_query_errors(app)
    warn_without_charts(app)
    person = PersonPage(queries, authenticator)
    person.setup(app)
    Overview(queries, authenticator, person).setup(app)
    UserLists(queries, authenticator).setup(app)
    ServersPage(queries, authenticator).setup(app)
    app[HAS_RESOURCES] = resources is not None and resources.measurements is not None
    if resources is not None and app[HAS_RESOURCES]:
        ResourcesPage(queries, authenticator, resources).setup(app)
    MeetingPages(queries, authenticator).setup(app)
    DroppedOff(queries, authenticator, email).setup(app)
    DistributionPage(queries, authenticator).setup(app)
    Downloads(queries, authenticator).setup(app)
