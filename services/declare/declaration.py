"""Put the services into a JupyterHub, with the least that each needs, in one call.

In ``jupyterhub_config.py``, after your own services and roles::

    from services.declare import declare

    declare(c, cull={"timeout": 3600, "policy": "/etc/jupyterhub/cull.toml"}, stats=True)
"""

import socket
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from common.errors import ConfigError
from services.declare.kinds import CULL, FORMGRADER_PROXY, STATS, Kind
from services.declare.options import Options, flags, wrong_options


def declare(
    c: Any,
    *,
    cull: bool | Options | None = None,
    stats: bool | Options | None = None,
    formgrader_proxy: bool | Options | None = None,
) -> None:
    """Add the services, their roles and their scopes to a hub's configuration.

    Each service is True, or a dict of options; False and None leave it out. What is in
    ``c.JupyterHub.services``, ``load_roles`` and ``custom_scopes`` stays and is added to, so
    call this after setting them. The role ``user`` gets access to the services' pages.

    Options that say how the Hub runs and shows the service:

    - ``name``: its name, and so its address ``/services/<name>/`` (cull, stats, formgrader)
    - ``port``: where it listens on 127.0.0.1; 0, the default, takes one that is free now
    - ``url``: where it listens instead, such as ``http://10.0.0.5:9000``; False for no pages
    - ``api_token``: the service is not started by the Hub but runs elsewhere, at ``url``, with
      this token in its JUPYTERHUB_API_TOKEN. Its flags are then given there; of the culler's,
      cull_users, policy and settle=0 are to be repeated here, as its role depends on them
    - ``environment``: a dict of further environment variables
    - ``cwd``, ``user``: the directory and the system user it runs in and as
    - ``display``: whether the Hub's menu lists it; the default is whether it has pages
    - ``users``, ``groups``: the only users, or members of groups, who may open its pages
    - ``admin_users``, ``admin_groups``: who sees the administrator's pages, beside Hub admins

    - ``service_per_course``, of formgrader_proxy: course ids. Each gets a service of its name at
      the same address, which leads to the course, and which the course's graders may list:
      nbgrader's course list in JupyterLab finds courses so. The tokens of users' servers
      (``c.Spawner.server_token_scopes``) get what it asks the Hub for, as far as the user has it;
      where you have set a function there, let it return LIST_SCOPES, too

    Every other option is a flag of the service, with underscores for dashes: ``timeout=600``
    becomes ``--timeout=600``, ``cull_users=True`` becomes ``--cull-users``, a list repeats the
    flag, None leaves it out. Everybody on the machine can read a process's flags: give secrets
    in ``environment``.

    Raises ConfigError with everything that is wrong; ``c`` is then unchanged. Warns (UserWarning)
    of what the Hub that is installed cannot do.
    """
    requested: dict[str, tuple[Kind, object]] = {
        "cull": (CULL, cull),
        "stats": (STATS, stats),
        "formgrader_proxy": (FORMGRADER_PROXY, formgrader_proxy),
    }
    hub = c.JupyterHub
    plan = _Plan(
        services=list(_current(hub, "services", [])),
        roles=[dict(role) for role in _current(hub, "load_roles", [])],
        custom_scopes=dict(_current(hub, "custom_scopes", {})),
        scheme="https" if _current(hub, "internal_ssl", False) is True else "http",
    )
    for argument, (kind, given) in requested.items():
        if given is None or given is False:
            continue
        if given is True:
            given = {}
        if not isinstance(given, Mapping):
            plan.problems.append(f"{argument} is {given!r}: write True, False or a dict of options")
            continue
        plan.add(argument, kind, given)
    if plan.problems:
        raise ConfigError([f"declare(): {problem}" for problem in plan.problems])
    for remark in plan.remarks:
        warnings.warn(f"declare(): {remark}", stacklevel=2)
    hub.services = plan.services
    hub.load_roles = plan.roles
    hub.custom_scopes = plan.custom_scopes
    if plan.token_scopes:
        _extend_token_scopes(c, plan)


@dataclass
class _Plan:
    """The configuration as it will be, and what is wrong with it."""

    services: list[Any]
    roles: list[dict[str, Any]]
    custom_scopes: dict[str, Any]
    scheme: str
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    token_scopes: list[str] = field(default_factory=list)

    def add(self, argument: str, kind: Kind, options: Options) -> None:
        """Plan one service."""
        wrong = list(wrong_options(options, kind.scope_flags, courses=kind.has_courses))
        self.problems += [f"{argument}: {problem}" for problem in wrong]
        if wrong:
            return
        unknown = _unknown_flags(kind, flags(options))
        self.problems += [f"{argument}: {problem}" for problem in unknown]
        name = options.get("name", kind.name)
        if any(service.get("name") == name for service in self.services):
            self.problems.append(
                f'{argument}: there is a service "{name}" already; give this one another "name"'
            )
            return
        self.services.append(_service(name, kind, options, self.scheme))
        if self.scheme == "https" and "url" in (new := self.services[-1]) and "command" in new:
            self._warn_of_internal_ssl(argument, name)
        if scopes := list(dict.fromkeys(kind.scopes(options))):
            what = f"What the service {name} asks of the Hub"
            self._add_role(argument, f"{name}-service", what, scopes=scopes, services=[name])
        if options.get("url") is not False:
            self._give_access(argument, name, kind, options)
        for course in options.get("service_per_course", ()):
            self._add_course(argument, name, course)

    def _warn_of_internal_ssl(self, argument: str, name: str) -> None:
        """JupyterHub 6.1.1 waits for such a service in vain, and then ends itself."""
        hub = version("jupyterhub")
        if int(hub.partition(".")[0]) >= 6:
            self.remarks.append(
                f"with internal_ssl, JupyterHub {hub} may end itself with"
                f' "Cannot connect to {name} service", as 6.1.1 does with every service that it'
                f' starts and that has a url. Write {argument}={{"url": False}} for a service'
                ' without pages, or give "api_token" and "url" and start it yourself.'
            )

    def _give_access(self, argument: str, name: str, kind: Kind, options: Options) -> None:
        self.custom_scopes.setdefault(kind.admin_scope, {"description": kind.admin_means})
        admins = {
            "users": list(options.get("admin_users", ())),
            "groups": list(options.get("admin_groups", ())),
        }
        access = f"access:services!service={name}"
        if any(admins.values()):
            scopes = [access, kind.admin_scope]
            self._add_role(argument, f"{name}-admin", kind.admin_means, scopes=scopes, **admins)
        if "users" in options or "groups" in options:
            self._add_role(
                argument,
                f"{name}-access",
                f"Open the pages of the service {name}",
                scopes=[access],
                users=list(options.get("users", ())),
                groups=list(options.get("groups", ())),
            )
        else:
            self._extend_user_role(access)

    def _add_course(self, argument: str, name: str, course: str) -> None:
        """Add a service that is named like a course and is answered by the service `name`."""
        if any(service.get("name") == course for service in self.services):
            self.problems.append(f'{argument}: there is a service "{course}" already')
            return
        url = next(each["url"] for each in self.services if each["name"] == name)
        self.services.append({"name": course, "url": url, "display": False})
        scopes = [f"{verb}:services!service={course}" for verb in ("list", "read")]
        self.token_scopes += scopes
        self._add_role(
            argument,
            f"{name}-course-{course.lower()}",
            f"See in JupyterLab that there is a formgrader of {course}",
            scopes=scopes,
            groups=[f"formgrade-{course}"],
        )

    def _add_role(self, argument: str, name: str, description: str, **members: list[str]) -> None:
        if any(role.get("name") == name for role in self.roles):
            self.problems.append(
                f'{argument}: there is a role "{name}" already; give the service another "name"'
            )
            return
        self.roles.append({"name": name, "description": description, **members})

    def _extend_user_role(self, scope: str) -> None:
        """Give everybody a scope; a role that names its own scopes keeps them."""
        for role in self.roles:
            if role.get("name") == "user":
                role["scopes"] = [*role.get("scopes", ["self"]), scope]
                return
        self.roles.append({"name": "user", "scopes": ["self", scope]})


#: What nbgrader's course list asks the Hub for with the token of a user's server, beside the
#: services: the courses are read off the names of the user's groups.
LIST_SCOPES = ("read:users:name!user", "read:users:groups!user")
#: JupyterHub's own role for such tokens, in force while nothing else is set.
_SERVER_ROLE = ("users:activity!user", "access:servers!server")


def _extend_token_scopes(c: Any, plan: _Plan) -> None:
    """Let users' servers ask for the services of courses; a user's token gets what they hold."""
    server_role = next((role for role in plan.roles if role.get("name") == "server"), {})
    current = _current(c.Spawner, "server_token_scopes", server_role.get("scopes", _SERVER_ROLE))
    if not callable(current):
        wanted = [*current, *LIST_SCOPES, *plan.token_scopes]
        c.Spawner.server_token_scopes = list(dict.fromkeys(wanted))


def _service(name: str, kind: Kind, options: Options, scheme: str) -> dict[str, Any]:
    """The entry for c.JupyterHub.services."""
    service: dict[str, Any] = {"name": name}
    url = options.get("url")
    if url is None:
        url = f"{scheme}://127.0.0.1:{options.get('port') or _free_port()}"
    if url is not False:
        service |= {
            "url": url,
            "display": options.get("display", find_spec(f"{kind.module}.web") is not None),
            # It is the hub's own: nobody need be asked whether it may know who they are.
            "oauth_no_confirm": True,
            "oauth_client_allowed_scopes": [kind.admin_scope],
        }
    if "api_token" in options:
        return service | {"api_token": options["api_token"]}
    service["command"] = [sys.executable, "-m", kind.module, *flags(options)]
    if options.get("environment"):
        service["environment"] = dict(options["environment"])
    return service | {key: str(options[key]) for key in ("cwd", "user") if key in options}


def _unknown_flags(kind: Kind, words: list[str]) -> list[str]:
    """What the service would say of its command line, before the Hub starts it in vain."""
    from common.config.application import ServiceApp
    from common.config.flags import split

    if find_spec(f"{kind.module}.app") is None:
        return []
    module = import_module(f"{kind.module}.app")
    (app,) = (
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, ServiceApp)
        and each.__module__ == module.__name__
    )
    return split(words, app.options()).problems


def _free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now; the Hub itself cannot look for one."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _current(hub: Any, name: str, default: Any) -> Any:
    """What the configuration holds, also where it was only appended to."""
    if name not in hub:
        return default
    value = hub[name]
    return value.get_value(default) if hasattr(value, "get_value") else value
