"""The settings of the service as frozen values, made by :mod:`.app` for :mod:`.main`."""

from dataclasses import dataclass, field

from common.oauth.sign_in import OAuthSettings
from common.web.server import Bind
from services.formgrader_proxy.access import Administrators
from services.formgrader_proxy.courses_file.file import CoursesFile


@dataclass(frozen=True)
class Site:
    """The public addresses of the service, and its administrators.

    ``prefix`` and ``hub_url`` end in a slash. ``frame_ancestors`` is a value of the directive of
    the same name in a Content-Security-Policy. ``stats_url`` is the address of the statistics, with
    a slash at the end; empty without them.
    """

    prefix: str
    hub_url: str
    frame_ancestors: str = "'none'"
    administrators: Administrators = field(default_factory=Administrators)
    stats_url: str = ""

    def course_path(self, course_id: str) -> str:
        """The path of a course, with a slash at the end."""
        return f"{self.prefix}{course_id}/"

    def own_path(self, course_id: str) -> str:
        """The path of the service's own pages of a course, with a slash at the end."""
        return f"{self.prefix}courses/{course_id}/"


@dataclass(frozen=True)
class Route:
    """A route that the service registers at the Hub's proxy itself.

    ``target`` is the service's own URL as the proxy reaches it; empty: where it listens.
    """

    proxy_api_url: str
    token: str = field(repr=False)
    target: str = ""


@dataclass(frozen=True)
class Settings:
    """Everything that the service needs to run. ``services_path`` is the Hub's ``/services/``."""

    site: Site
    services_path: str
    oauth: OAuthSettings
    bind: Bind
    courses: CoursesFile
    db_url: str
    version: str
    service_name: str
    authenticate_prometheus: bool = True
    route: Route | None = None
