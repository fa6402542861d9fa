"""The services, roles and scopes that a declaration adds, before the configuration is changed."""

import socket
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from services.cull.scopes import AUDIT_SCOPE
from services.declare.check import unusable
from services.declare.options import Options, as_flags, option_problems
from services.declare.service_types import STATS, ServiceType


@dataclass
class Plan:
    """A Hub's configuration as it will be, with all problems found on the way.

    ``problems`` make the declaration fail; ``warnings`` do not, and neither do ``unusable``: by
    service, why it cannot work although the Hub can start it. ``token_scopes`` are scopes for the
    tokens of users' servers.
    """

    services: list[Any]
    roles: list[dict[str, Any]]
    custom_scopes: dict[str, Any]
    scheme: str
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unusable: dict[str, list[str]] = field(default_factory=dict)
    token_scopes: list[str] = field(default_factory=list)

    def add(self, argument: str, kind: ServiceType, options: Options) -> None:
        """Add one service, unless its options are invalid."""
        invalid = list(option_problems(options, kind.scope_options, courses=kind.has_courses))
        self.problems += [f"{argument}: {problem}" for problem in invalid]
        if invalid:
            return
        if "api_token" not in options and (found := unusable(kind, options)):
            self.unusable[argument] = found
        name = options.get("name", kind.name)
        if self._has_service(name):
            self.problems.append(
                f'{argument}: a service named "{name}" already exists; choose another "name"'
            )
            return
        service = _service(name, kind, options, self.scheme)
        self.services.append(service)
        if self.scheme == "https" and "url" in service and "command" in service:
            self._warn_of_internal_ssl(argument, name)
        if scopes := [*kind.scopes(options), *self._culler_scopes(kind, options)]:
            description = f"Scopes of the service {name}"
            self._add_role(argument, f"{name}-service", description, scopes=scopes, services=[name])
        if options.get("url") is not False:
            self._give_access(argument, name, kind, options)
        for course in options.get("service_per_course", ()):
            self._add_course(argument, name, course)

    def _has_service(self, name: str) -> bool:
        return any(service.get("name") == name for service in self.services)

    def url_of(self, name: str) -> str | None:
        """Where a service listens; None without such a service, or without its pages."""
        urls = (service.get("url") for service in self.services if service.get("name") == name)
        return next((str(url) for url in urls if url), None)

    def _culler_scopes(self, kind: ServiceType, options: Options) -> list[str]:
        """What the statistics need to read the audit log of the culler in ``cull_url``."""
        name = str(options.get("cull_url") or "").rstrip("/").rpartition("/")[2]
        if kind is not STATS or not name or self.url_of(name) is None:
            return []
        description = "Read the audit log of the idle culler."
        self.custom_scopes.setdefault(AUDIT_SCOPE, {"description": description})
        return [f"access:services!service={name}", AUDIT_SCOPE]

    def _warn_of_internal_ssl(self, argument: str, name: str) -> None:
        """JupyterHub 6.1.1 waits for such a service in vain, and then exits."""
        hub = version("jupyterhub")
        if int(hub.partition(".")[0]) >= 6:
            self.warnings.append(
                f"with internal_ssl, JupyterHub {hub} may exit with"
                f' "Cannot connect to {name} service", as version 6.1.1 does for every managed'
                f' service with a URL. Write {argument}={{"url": False}} for a service without'
                ' pages, or set "api_token" and "url" and start the service yourself.'
            )

    def _give_access(self, argument: str, name: str, kind: ServiceType, options: Options) -> None:
        description = kind.admin_description
        self.custom_scopes.setdefault(kind.admin_scope, {"description": description})
        admins = {
            "users": list(options.get("admin_users", ())),
            "groups": list(options.get("admin_groups", ())),
        }
        access = f"access:services!service={name}"
        if any(admins.values()):
            scopes = [access, kind.admin_scope]
            self._add_role(argument, f"{name}-admin", description, scopes=scopes, **admins)
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
        """Add a service that has a course's name and the URL of the service ``name``."""
        if self._has_service(course):
            self.problems.append(f'{argument}: a service named "{course}" already exists')
            return
        url = next(each["url"] for each in self.services if each["name"] == name)
        self.services.append({"name": course, "url": url, "display": False})
        scopes = [f"{verb}:services!service={course}" for verb in ("list", "read")]
        self.token_scopes += scopes
        self._add_role(
            argument,
            f"{name}-course-{course.lower()}",
            f"Find the formgrader of {course} in JupyterLab",
            scopes=scopes,
            groups=[f"formgrade-{course}"],
        )

    def _add_role(self, argument: str, name: str, description: str, **members: list[str]) -> None:
        if any(role.get("name") == name for role in self.roles):
            self.problems.append(
                f'{argument}: a role named "{name}" already exists;'
                ' choose another "name" for the service'
            )
            return
        self.roles.append({"name": name, "description": description, **members})

    def _extend_user_role(self, scope: str) -> None:
        """Give all users a scope. A ``user`` role with scopes of its own keeps them."""
        for role in self.roles:
            if role.get("name") == "user":
                role["scopes"] = [*role.get("scopes", ["self"]), scope]
                return
        self.roles.append({"name": "user", "scopes": ["self", scope]})


def _service(name: str, kind: ServiceType, options: Options, scheme: str) -> dict[str, Any]:
    """The entry for ``c.JupyterHub.services``."""
    service: dict[str, Any] = {"name": name}
    url = options.get("url")
    if url is None:
        url = f"{scheme}://127.0.0.1:{options.get('port') or _free_port()}"
    if url is not False:
        service |= {
            "url": url,
            "display": options.get("display", True),
            # The service belongs to the Hub, so users need not confirm that it may identify them.
            "oauth_no_confirm": True,
            "oauth_client_allowed_scopes": [kind.admin_scope],
        }
    if "api_token" in options:
        return service | {"api_token": options["api_token"]}
    # -P: a common.py or services/ in the Hub's working directory would hide ours.
    service["command"] = [sys.executable, "-P", "-m", kind.module, *as_flags(options)]
    if options.get("environment"):
        service["environment"] = dict(options["environment"])
    return service | {key: str(options[key]) for key in ("cwd", "user") if key in options}


def _free_port() -> int:
    """A port of 127.0.0.1 that is free now; the Hub itself cannot choose one."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
