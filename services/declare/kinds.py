"""The services that can be declared: how each runs, and the scopes that it needs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.declare.options import Options


@dataclass(frozen=True)
class Kind:
    """One of our services: how it runs and what it may ask of the Hub.

    ``scopes`` are those of the service's own token, given the options of its declaration, of
    which ``scope_flags`` have a say. ``has_courses``: it can stand for a service per course.
    ``admin_scope`` is a scope of ours that opens the administrator's part of its pages.
    """

    module: str
    name: str
    scopes: Callable[[Options], Iterable[str]]
    admin_scope: str
    admin_means: str
    scope_flags: frozenset[str] = frozenset()
    has_courses: bool = False


def _cull_scopes(options: Options) -> Iterable[str]:
    yield from ("list:users", "read:users:activity", "read:servers", "delete:servers")
    # A rule or a hold may be for a group, and the pages show them.
    if options.get("policy") or options.get("url") is not False:
        yield "read:users:groups"
    if options.get("cull_users"):
        # read:users tells when a user was created, which is a user's age.
        yield from ("delete:users", "read:users")
    # When the Hub started: idleness is not believed until servers have reported again.
    if options.get("settle") != 0:
        yield "read:metrics"


def _stats_scopes(options: Options) -> Iterable[str]:
    # read:users tells when an account was made: a later one of the same name is another person.
    yield from ("list:users", "read:users", "read:servers")


def _no_scopes(options: Options) -> Iterable[str]:
    """Groups come fresh with the sign-in of each user, so the service need not ask for them."""
    return ()


CULL = Kind(
    "services.cull",
    "cull",
    _cull_scopes,
    "custom:jupyterhub-cull:admin",
    "See all servers and hold them in the idle culler.",
    scope_flags=frozenset({"cull_users", "policy", "settle"}),
)
STATS = Kind(
    "services.stats",
    "stats",
    _stats_scopes,
    "custom:jupyterhub-stats:admin",
    "See the activity statistics of everybody.",
)
FORMGRADER_PROXY = Kind(
    "services.formgrader_proxy",
    "formgrader",
    _no_scopes,
    "custom:jupyterhub-formgrader:admin",
    "Administer every course's formgrader.",
    has_courses=True,
)
