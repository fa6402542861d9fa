"""The services that can be declared: program, scopes, and the options that change the scopes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from common.config.application import ServiceApp
from services.cull import scopes as cull
from services.cull.app import IdleCuller
from services.declare.options import Options
from services.formgrader_proxy import scopes as formgrader
from services.formgrader_proxy.app import FormgraderProxy
from services.stats import scopes as stats
from services.stats.app import StatsApp


@dataclass(frozen=True)
class ServiceType:
    """A kind of service: how it runs and which scopes it needs.

    ``scopes`` returns the scopes of the service's token for the options of a declaration;
    ``scope_options`` are the flags that it depends on. ``admin_scope`` is the custom scope that
    opens the administrator's pages. ``has_courses`` is whether it can offer a service per course.
    """

    module: str
    name: str
    app: type[ServiceApp]
    scopes: Callable[[Options], Iterable[str]]
    admin_scope: str
    admin_description: str
    scope_options: frozenset[str] = frozenset()
    has_courses: bool = False


def _cull_scopes(options: Options) -> Iterable[str]:
    return cull.required_scopes(cull_users=bool(options.get("cull_users"))) | cull.optional_scopes(
        groups=bool(options.get("policy")) or options.get("url") is not False,
        settle=options.get("settle") != 0,
    )


CULL = ServiceType(
    "services.cull",
    "cull",
    IdleCuller,
    _cull_scopes,
    cull.ADMIN_SCOPE,
    "See and hold all servers in the idle culler.",
    scope_options=frozenset({"cull_users", "policy", "settle"}),
)
STATS = ServiceType(
    "services.stats",
    "stats",
    StatsApp,
    lambda options: stats.REQUIRED_SCOPES | stats.OPTIONAL_SCOPES,
    stats.ADMIN_SCOPE,
    "See the activity statistics of all users.",
    scope_options=frozenset({"cull_url"}),
)
FORMGRADER_PROXY = ServiceType(
    "services.formgrader_proxy",
    "formgrader",
    FormgraderProxy,
    lambda options: (),
    formgrader.ADMIN_SCOPE,
    "Administer the formgraders of all courses.",
    has_courses=True,
)
