"""``declare``: adds the services to a JupyterHub's configuration."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from common.errors import ConfigError
from services.declare.options import Options
from services.declare.plan import Plan
from services.declare.service_types import CULL, FORMGRADER_PROXY, STATS, ServiceType

log = logging.getLogger("declare")

SHARED_ORIGIN = (
    "The services' pages share an origin with all users' servers: a page on a student's server that"
    " staff open can act for them at the Hub, and then grade and see everything. Separate origins"
    " prevent this: set c.JupyterHub.subdomain_host before declare(), for example to"
    ' "https://hub.example.org", with a wildcard DNS entry and certificate.'
)

UNUSABLE = (
    "declare(): %s cannot work. The Hub starts, and the service responds with 503 until this is"
    " corrected, unless only its policy or courses file is invalid and it has kept a valid one:"
    "\n  %s"
)

OTHER_CULLER = (
    "jupyterhub-idle-culler is declared, too. It stops servers in spite of holds, exams and the"
    " rules of the policy: remove it from c.JupyterHub.services."
)


def declare(
    c: Any,
    *,
    cull: bool | Options | None = None,
    stats: bool | Options | None = None,
    formgrader_proxy: bool | Options | None = None,
) -> None:
    """Add the services, their roles and their scopes to a Hub's configuration.

    Each service is True or a dict of options. False and None leave it out. Existing entries of
    ``c.JupyterHub.services``, ``load_roles`` and ``custom_scopes`` are kept, so call this after
    setting them. The role ``user`` is given access to the services' pages.

    These options decide how the Hub runs and shows a service:

    - ``name``: its name, and so its path ``/services/<name>/`` (cull, stats, formgrader)
    - ``port``: the port on 127.0.0.1 to listen on; 0, the default, chooses a free port
    - ``url``: the URL to listen on instead, such as ``http://10.0.0.5:9000``; False for no pages
    - ``api_token``: the service runs elsewhere, at ``url``, with this token in its
      JUPYTERHUB_API_TOKEN; the Hub does not start it. Set its flags where you start it. Repeat
      cull_users, policy, settle=0 and cull_url here, since the roles depend on them
    - ``environment``: a dict of additional environment variables
    - ``cwd``, ``user``: its working directory and system user
    - ``display``: whether the Hub's menu lists it; True by default
    - ``users``, ``groups``: only these users and members of these groups may open its pages
    - ``admin_users``, ``admin_groups``: who may open the administrator's pages, in addition to
      the Hub's administrators

    If both are declared, nbgrader's "Manage Students" links to the statistics of the course's
    students: the option ``stats_url`` of formgrader_proxy is then ``<name>/``; "" removes the link.

    The statistics read the culler's audit log, which shows which servers it stopped: the option
    ``cull_url`` of stats is then the URL of the culler's pages; "" turns this off.

    - ``service_per_course``, only of formgrader_proxy: course ids. For each, a service with the
      course's name is added at the same URL. It leads to the course, and the course's graders may
      list it, which is how nbgrader's course list in JupyterLab finds courses. The tokens of
      users' servers (``c.Spawner.server_token_scopes``) get the scopes that the course list
      needs, as far as the user has them. If you have set a function there, it must return
      LIST_SCOPES, too

    All other options are flags of the service, with underscores instead of dashes:
    ``timeout=600`` becomes ``--timeout=600``, ``cull_users=True`` becomes ``--cull-users``, a list
    repeats the flag, None omits it. Every user of the machine can read the flags of a process, so
    pass secrets in ``environment``.

    Raises ConfigError with all problems; ``c`` is then unchanged. Only what concerns the Hub is
    such a problem: if the flags of a service are invalid, or the files and packages that they name
    are missing, that is logged as an error, all of it at once, and the Hub starts. The service
    then responds with 503 and the reason until it can work, unless it can use the last valid text
    of its policy or courses file. Issues a UserWarning for what the
    installed JupyterHub does not support and if jupyterhub-idle-culler is declared, too, and logs
    one warning if a service has pages and the Hub has no ``subdomain_host``.
    """
    requested: dict[str, tuple[ServiceType, object]] = {
        "cull": (CULL, cull),
        "stats": (STATS, stats),
        "formgrader_proxy": (FORMGRADER_PROXY, formgrader_proxy),
    }
    hub = c.JupyterHub
    plan = Plan(
        services=list(_current(hub, "services", [])),
        roles=[dict(role) for role in _current(hub, "load_roles", [])],
        custom_scopes=dict(_current(hub, "custom_scopes", {})),
        scheme="https" if _current(hub, "internal_ssl", False) is True else "http",
    )
    declared_before = {kind.admin_scope for kind, _ in requested.values()} & set(plan.custom_scopes)
    for argument, (kind, given) in requested.items():
        if given is None or given is False:
            continue
        options = {} if given is True else given
        if kind is FORMGRADER_PROXY and isinstance(options, Mapping):
            options = _with_statistics(options, stats)
        if kind is STATS and isinstance(options, Mapping):
            options = _with_culler(options, cull, plan, str(_current(hub, "base_url", "/")))
        if isinstance(options, Mapping):
            plan.add(argument, kind, options)
        else:
            plan.problems.append(
                f"{argument} must be True, False or a dict of options, not {given!r}"
            )
    if plan.problems:
        raise ConfigError([f"declare(): {problem}" for problem in plan.problems])
    for argument, reasons in plan.unusable.items():
        log.error(UNUSABLE, argument, "\n  ".join(reasons))
    if "cull" in requested and requested["cull"][1] and _has_other_culler(plan):
        plan.warnings.append(OTHER_CULLER)
    for warning in plan.warnings:
        warnings.warn(f"declare(): {warning}", stacklevel=2)
    has_pages = any(kind.admin_scope in plan.custom_scopes for kind, _ in requested.values())
    if has_pages and not declared_before and not _current(hub, "subdomain_host", ""):
        log.warning("declare(): %s", SHARED_ORIGIN)
    hub.services = plan.services
    hub.load_roles = plan.roles
    hub.custom_scopes = plan.custom_scopes
    if plan.token_scopes:
        _extend_token_scopes(c, plan)


def _has_other_culler(plan: Plan) -> bool:
    commands = [service.get("command") or () for service in plan.services]
    return any("idle_culler" in str(word).replace("-", "_") for line in commands for word in line)


def _with_statistics(options: Options, stats: object) -> Options:
    """The options of the formgrader proxy, with the address of the statistics if there are any.

    A formgrader proxy that runs elsewhere gets its flags there.
    """
    declared = {} if stats is True else stats
    if not isinstance(declared, Mapping) or declared.get("url") is False:
        return options
    if "stats_url" in options or "api_token" in options:
        return options
    return {**options, "stats_url": f"{declared.get('name', STATS.name)}/"}


def _with_culler(options: Options, cull: object, plan: Plan, base_url: str) -> Options:
    """The options of the statistics, with the address of the culler's pages if there are any.

    Statistics that run elsewhere get their flags there.
    """
    declared = {} if cull is True else cull
    if not isinstance(declared, Mapping) or "cull_url" in options or "api_token" in options:
        return options
    name = declared.get("name", CULL.name)
    url = plan.url_of(name)
    if url is None:
        return options
    base = f"/{base_url.strip('/')}/".replace("//", "/")
    return {**options, "cull_url": f"{url.rstrip('/')}{base}services/{name}/"}


#: Scopes that nbgrader's course list needs in the token of a user's server, besides those of the
#: course services: it finds the courses by the names of the user's groups.
LIST_SCOPES = ("read:users:name!user", "read:users:groups!user")
#: The scopes of these tokens in JupyterHub's own role, used unless others are configured.
_SERVER_ROLE = ("users:activity!user", "access:servers!server")


def _extend_token_scopes(c: Any, plan: Plan) -> None:
    """Let the tokens of users' servers list the course services."""
    server_role = next((role for role in plan.roles if role.get("name") == "server"), {})
    current = _current(c.Spawner, "server_token_scopes", server_role.get("scopes", _SERVER_ROLE))
    if not callable(current):
        wanted = [*current, *LIST_SCOPES, *plan.token_scopes]
        c.Spawner.server_token_scopes = list(dict.fromkeys(wanted))


def _current(section: Any, name: str, default: Any) -> Any:
    """A setting's present value, even if the configuration has only appended to it."""
    if name not in section:
        return default
    value = section[name]
    return value.get_value(default) if hasattr(value, "get_value") else value
