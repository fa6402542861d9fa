"""Sign-in with any authenticator, restricted to the users on the roster.

:func:`with_roster` extends an authenticator. Users must be on the roster and also meet the
authenticator's own requirements (a verified address in the hosted domain, a password). This is
checked at each sign-in and every ``REFRESH_SECONDS`` while a user is signed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.auth import Authenticator
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from traitlets import Unicode
from traitlets.utils.importstring import import_item

from classroom_hub.roster import Roster, RosterFile
from classroom_hub.sign_in import redirect_mismatch
from classroom_hub.staff_password import StaffPasswordAuthenticator
from common.errors import ConfigError

#: Seconds until a user who was removed from the roster is signed out, at most.
REFRESH_SECONDS = 60

GOOGLE = "google"
SHARED_PASSWORD = "shared-password"  # noqa: S105 - the name of an authenticator
#: The minimum lengths of JupyterHub's SharedPasswordAuthenticator.
SHORTEST_PASSWORD = 8
SHORTEST_ADMIN_PASSWORD = 32


@dataclass(frozen=True)
class SignIn:
    """The sign-in settings.

    ``authenticator`` is "google", "shared-password", or the registered name or ``module.Class``
    of any other authenticator. ``public_url`` is the address that browsers open. ``secrets`` has
    client_id and client_secret for Google, or user_password and admin_password for the shared
    password.
    """

    authenticator: str
    roster: Path
    public_url: str
    secrets: Mapping[str, str]


def configure_sign_in(c: Any, settings: SignIn) -> Roster:
    """Configure ``c``, the object of jupyterhub_config.py, and return the roster.

    :raises ConfigError: with all problems
    """
    problems: list[str] = []
    roster = Roster()
    try:
        roster = RosterFile(settings.roster).roster
    except ConfigError as error:
        problems += [f"{settings.roster.name}: {problem}" for problem in error.problems]
    try:
        base = find_authenticator(settings.authenticator)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if settings.authenticator == GOOGLE:
        problems += _google(c, settings, roster)
    elif settings.authenticator == SHARED_PASSWORD:
        problems += _shared_password(c, settings)
    if base is SharedPasswordAuthenticator:  # under any of its names
        base = StaffPasswordAuthenticator
    if problems:
        raise ConfigError(problems)
    c.JupyterHub.authenticator_class = with_roster(base)
    c.RosterAuthenticator.roster_file = str(settings.roster)
    c.Authenticator.auth_refresh_age = REFRESH_SECONDS
    # Otherwise the token of a running server would keep working.
    c.Authenticator.auth_refresh_strict = True
    c.Authenticator.refresh_pre_spawn = True
    c.Authenticator.allow_all = False
    c.Authenticator.allow_existing_users = False
    return roster


def find_authenticator(name: str) -> type[Authenticator]:
    """Return an authenticator class by name. :raises ConfigError: it does not exist"""
    installed = {
        each.name.lower(): each for each in entry_points(group="jupyterhub.authenticators")
    }
    try:
        found = installed[name.lower()].load() if name.lower() in installed else import_item(name)
    except (ImportError, ValueError):
        found = None
    if isinstance(found, type) and issubclass(found, Authenticator):
        return found
    raise ConfigError(
        [f'unknown authenticator "{name}"; installed: {", ".join(sorted(installed))}']
    )


def with_roster(base: type[Authenticator]) -> type[Authenticator]:
    """Restrict the authenticator ``base`` to the roster, which also decides who is an admin."""

    class RosterAuthenticator(base):  # type: ignore[misc]  # the base is chosen when the Hub starts
        """Accepts users who are on the roster and whom the base authenticator accepts."""

        roster_file = Unicode(config=True, help="The roster, a TOML file.")

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self._roster_file = RosterFile(Path(self.roster_file))
            self._logged: tuple[str, ...] = ()
            self._use(self._roster_file.roster)

        def _use(self, roster: Roster) -> None:
            """Set the names that some authenticators read, such as the shared password."""
            self.admin_users = set(roster.admins)
            self.staff_users = set(roster.staff)

        def _roster(self) -> Roster:
            """Return the current roster, reloaded if the file has changed."""
            if self._roster_file.reload():
                self.log.info("The roster was reloaded")
                self._use(self._roster_file.roster)
            if self._roster_file.problems != self._logged:
                self._logged = self._roster_file.problems
                for problem in self._logged:
                    self.log.error("roster: %s; the last valid roster stays in effect", problem)
            return self._roster_file.roster

        async def authenticate(self, handler: Any, data: Any) -> Any:
            """Authenticate a user, after reloading the roster, which lists the staff."""
            self._roster()
            return await super().authenticate(handler, data)

        def check_allow_config(self) -> None:
            """Suppress the warning that no users are allowed: the roster allows them."""

        def check_blocked_users(self, username: str, authentication: Any) -> Any:
            """Return False for users who are not on the roster. Checked before any allow list."""
            if username not in self._roster().people:
                self.log.warning("%s is not on the roster", username)
                return False
            return super().check_blocked_users(username, authentication)

        async def check_allowed(self, username: str, authentication: Any) -> bool:
            """Return True, because the roster allows the user, unless the base raises an error.

            GoogleOAuthenticator checks here that an address is verified, and raises otherwise.
            With allow_all, this check would not run.
            """
            allowed = super().check_allowed(username, authentication)
            if not isinstance(allowed, bool):
                await allowed
            return True

        async def run_post_auth_hook(self, handler: Any, auth_model: Any) -> Any:
            """Make exactly the admins of the roster admins of the Hub."""
            model = await super().run_post_auth_hook(handler, auth_model)
            if model is not None:
                model["admin"] = model["name"] in self._roster().admins
            return model

        async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> Any:
            """Return False, which ends the session, for users no longer on the roster."""
            roster = self._roster()
            if user.name not in roster.people:
                self.log.warning("%s is no longer on the roster", user.name)
                return False
            admin = user.name in roster.admins
            refreshed = await super().refresh_user(user, handler, **kwargs)
            if isinstance(refreshed, dict):
                return {**refreshed, "admin": admin}
            if refreshed and admin != user.admin:
                return {"name": user.name, "admin": admin}
            return refreshed

    if hasattr(base, "callback_handler"):
        RosterAuthenticator.login_handler = redirect_mismatch.login_handler(base.login_handler)
        RosterAuthenticator.callback_handler = redirect_mismatch.callback_handler(
            base.callback_handler
        )
    return RosterAuthenticator


def _google(c: Any, settings: SignIn, roster: Roster) -> list[str]:
    problems = []
    parts = urlsplit(settings.public_url)
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1"}:
        problems.append(
            f"{settings.public_url}: Google redirects users only to https addresses;"
            " use the hub's public address, such as https://hub.university.example/"
        )
    for name in ("client_id", "client_secret"):
        if not settings.secrets.get(name):
            problems.append(
                f"google_{name} is missing; create it at https://console.cloud.google.com/apis/"
                f"credentials with the redirect URI {redirect_uri(settings.public_url)}"
            )
    c.GoogleOAuthenticator.client_id = settings.secrets.get("client_id", "")
    c.GoogleOAuthenticator.client_secret = settings.secrets.get("client_secret", "")
    c.GoogleOAuthenticator.oauth_callback_url = redirect_uri(settings.public_url)
    c.GoogleOAuthenticator.hosted_domain = list(roster.domains)
    c.GoogleOAuthenticator.strip_domain = len(roster.domains) == 1
    return problems


def redirect_uri(public_url: str) -> str:
    """Return the URI that Google redirects users to; Google's console must have the same one."""
    return f"{public_url.rstrip('/')}/hub/oauth_callback"


def _shared_password(c: Any, settings: SignIn) -> list[str]:
    problems = []
    for name, shortest in (
        ("user_password", SHORTEST_PASSWORD),
        ("admin_password", SHORTEST_ADMIN_PASSWORD),
    ):
        if len(settings.secrets.get(name, "")) < shortest:
            problems.append(f"{name} is shorter than {shortest} characters")
    if not problems and settings.secrets["user_password"] == settings.secrets["admin_password"]:
        problems.append("user_password and admin_password are the same")
    if not problems:
        c.SharedPasswordAuthenticator.user_password = settings.secrets["user_password"]
        c.SharedPasswordAuthenticator.admin_password = settings.secrets["admin_password"]
    return problems
