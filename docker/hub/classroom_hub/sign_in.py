"""Signing in: the authenticator of one's choice, and the roster, which decides who may.

:func:`with_roster` puts the roster before any authenticator. Being on it is needed beside
what the authenticator itself asks for (a verified address of the hosted domain, a password),
at every sign-in and again every ``REFRESH_SECONDS`` while somebody is signed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.auth import Authenticator
from traitlets import Unicode
from traitlets.utils.importstring import import_item

from classroom_hub import way_back
from classroom_hub.roster import Roster, RosterFile
from common.errors import ConfigError

#: How long somebody who was taken off the roster stays in, at the most; seconds.
REFRESH_SECONDS = 60

GOOGLE = "google"
SHARED_PASSWORD = "shared-password"  # noqa: S105 - the name of a way to sign in
#: As JupyterHub's SharedPasswordAuthenticator asks for.
SHORTEST_PASSWORD = 8
SHORTEST_ADMIN_PASSWORD = 32


@dataclass(frozen=True)
class SignIn:
    """How people sign in.

    ``authenticator`` is "google", "shared-password" or any other by its name among the
    installed ones or as ``module.Class``. ``public_url`` is the hub's address as browsers
    have it. ``secrets`` are client_id and client_secret for Google, user_password and
    admin_password for the shared one.
    """

    authenticator: str
    roster: Path
    public_url: str
    secrets: Mapping[str, str]


def configure_sign_in(c: Any, settings: SignIn) -> Roster:
    """Set up ``c``, the configuration in jupyterhub_config.py; return the roster.

    :raises ConfigError: with all that is wrong
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
    if problems:
        raise ConfigError(problems)
    c.JupyterHub.authenticator_class = with_roster(base)
    c.RosterAuthenticator.roster_file = str(settings.roster)
    c.Authenticator.auth_refresh_age = REFRESH_SECONDS
    # Otherwise the token of a server that runs already would go on opening it.
    c.Authenticator.auth_refresh_strict = True
    c.Authenticator.refresh_pre_spawn = True
    c.Authenticator.allow_all = False
    c.Authenticator.allow_existing_users = False
    return roster


def find_authenticator(name: str) -> type[Authenticator]:
    """The class of an authenticator. :raises ConfigError: there is none of that name"""
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
        [f'there is no authenticator "{name}"; installed are {", ".join(sorted(installed))}']
    )


def with_roster(base: type[Authenticator]) -> type[Authenticator]:
    """The authenticator ``base`` for those on the roster, who are admins as the roster says."""

    class RosterAuthenticator(base):  # type: ignore[misc]  # the base is chosen when the Hub starts
        """Lets in those on the roster, if the authenticator that it extends does."""

        roster_file = Unicode(config=True, help="The roster, a TOML file.")

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self._roster_file = RosterFile(Path(self.roster_file))
            self._told: tuple[str, ...] = ()
            self.admin_users = set(self._roster_file.roster.admins)

        def _roster(self) -> Roster:
            """The roster as it is now."""
            if self._roster_file.look():
                self.log.info("the roster was read anew")
                # Some authenticators, the shared password say, look here who is an admin.
                self.admin_users = set(self._roster_file.roster.admins)
            if self._roster_file.problems != self._told:
                self._told = self._roster_file.problems
                for problem in self._told:
                    self.log.error("roster: %s; the last good one stays in force", problem)
            return self._roster_file.roster

        def check_allow_config(self) -> None:
            """No word of warning that nobody is allowed: the roster says who is."""

        def check_blocked_users(self, username: str, authentication: Any) -> Any:
            """Whether somebody is on the roster; asked before any list that allows."""
            if username not in self._roster().people:
                self.log.warning("%s is not on the roster", username)
                return False
            return super().check_blocked_users(username, authentication)

        async def check_allowed(self, username: str, authentication: Any) -> bool:
            """True, as the roster allows; but the base may have a reason of its own to refuse.

            GoogleOAuthenticator sees here that an address is verified, and raises. With
            allow_all in place of this nobody would ask it.
            """
            allowed = super().check_allowed(username, authentication)
            if not isinstance(allowed, bool):
                await allowed
            return True

        async def run_post_auth_hook(self, handler: Any, auth_model: Any) -> Any:
            """Make admins of those whom the roster calls so, and of nobody else."""
            model = await super().run_post_auth_hook(handler, auth_model)
            if model is not None:
                model["admin"] = model["name"] in self._roster().admins
            return model

        async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> Any:
            """False, which ends the session, for somebody who is no longer on the roster."""
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
        RosterAuthenticator.login_handler = way_back.begins(base.login_handler)
        RosterAuthenticator.callback_handler = way_back.returns(base.callback_handler)
    return RosterAuthenticator


def _google(c: Any, settings: SignIn, roster: Roster) -> list[str]:
    problems = []
    parts = urlsplit(settings.public_url)
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1"}:
        problems.append(
            f"{settings.public_url}: Google sends people back to https addresses only;"
            " give the hub's public address, such as https://hub.university.example/"
        )
    for name in ("client_id", "client_secret"):
        if not settings.secrets.get(name):
            problems.append(
                f"google_{name} is missing; make one at https://console.cloud.google.com/apis/"
                f"credentials with the redirect address {redirect_address(settings.public_url)}"
            )
    c.GoogleOAuthenticator.client_id = settings.secrets.get("client_id", "")
    c.GoogleOAuthenticator.client_secret = settings.secrets.get("client_secret", "")
    c.GoogleOAuthenticator.oauth_callback_url = redirect_address(settings.public_url)
    c.GoogleOAuthenticator.hosted_domain = list(roster.domains)
    c.GoogleOAuthenticator.strip_domain = len(roster.domains) == 1
    return problems


def redirect_address(public_url: str) -> str:
    """Where Google sends people back to; the very same text must stand in Google's console."""
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
