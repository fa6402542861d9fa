"""The settings that all services share.

Settings come from defaults, the JUPYTERHUB_* environment, ``--config FILE.py`` and the command
line; the later source wins. All problems are collected and reported together. Importing this
module is cheap: it imports neither jupyterhub nor aiohttp.web nor SQLAlchemy.
"""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from traitlets import Bool, Enum, Unicode, default

from common import __version__, logs
from common.config import environment
from common.config.address import Addressed
from common.config.command import Command
from common.config.seconds import Seconds
from common.config.sources import LEVELS

if TYPE_CHECKING:
    from common.oauth.settings import OAuthSettings


class ServiceApp(Addressed):
    """A service's settings. Subclasses add traits, ``problems()`` and ``main()``."""

    name = "service"
    title: ClassVar[str] = "Service"  # of its pages
    version = __version__
    description = "A JupyterHub service."
    examples = ""  # one or two command lines to copy, for --help
    main_options: ClassVar[Sequence[str]] = ("url", "config", "log-format")  # listed by --help
    commands: ClassVar[Mapping[str, Command]] = {}
    needs_hub: bool = True

    # -- the Hub
    url = Unicode(help="The Hub's API URL. Default: $JUPYTERHUB_API_URL.").tag(config=True)
    api_token = Unicode(
        help="The service's Hub API token. Default: $JUPYTERHUB_API_TOKEN."
        " Prefer --token-file to writing the token in a configuration file."
    ).tag(config=True)
    token_file = Unicode(help="A file that contains only the token.").tag(config=True)
    request_timeout = Seconds(
        help='Time limit for a request to the Hub: seconds, or a duration such as "1m".'
        " Default: $JUPYTERHUB_REQUEST_TIMEOUT or 60.",
        min=1,
    ).tag(config=True)

    # -- the rest
    log_style = Enum(
        ("human", "json"),
        "human",
        help="Log format: text for people (human) or one JSON object per line (json).",
    ).tag(config=True)
    authenticate_prometheus = Bool(
        True, help="Require a Hub token to read the metrics, as the Hub itself does."
    ).tag(config=True)
    allow_plain_http = Bool(
        False,
        help="Show pages to browsers that do not say which page sent a request, as on plain HTTP."
        " The page of any user's server can then read what its visitors may read here.",
    ).tag(config=True)
    config_file = Unicode(help="Configuration file (Python or JSON).").tag(config=True)
    generate_config = Bool(False, help="Print a configuration file with every setting.").tag(
        config=True
    )

    aliases: dict[str, str] = {  # noqa: RUF012 - traitlets' own shape
        "url": "ServiceApp.url",
        "token-file": "ServiceApp.token_file",
        "request-timeout": "ServiceApp.request_timeout",
        "service-name": "ServiceApp.service_name",
        "service-prefix": "ServiceApp.service_prefix",
        "ip": "ServiceApp.ip",
        "port": "ServiceApp.port",
        "base-url": "ServiceApp.base_url",
        "public-hub-url": "ServiceApp.public_hub_url",
        "ssl-key": "ServiceApp.ssl_key",
        "ssl-cert": "ServiceApp.ssl_cert",
        "ssl-ca": "ServiceApp.ssl_ca",
        "ssl-enabled": "ServiceApp.ssl_enabled",
        "internal-certs-location": "ServiceApp.internal_certs_location",
        "log-format": "ServiceApp.log_style",
        "log-level": "Application.log_level",
        "authenticate-prometheus": "ServiceApp.authenticate_prometheus",
        "allow-plain-http": "ServiceApp.allow_plain_http",
        "config": "ServiceApp.config_file",
    }
    flags: dict[str, Any] = {  # noqa: RUF012 - traitlets' own shape
        "debug": ({"Application": {"log_level": logging.DEBUG}}, "Enable debug logging."),
    }

    stopping: asyncio.Event  # set on SIGTERM and SIGINT; main() returns when it is set

    # -- defaults from the environment, read on first use

    @default("url")
    def _default_url(self) -> str:
        return os.environ.get("JUPYTERHUB_API_URL", "")

    @default("api_token")
    def _default_api_token(self) -> str:
        return os.environ.get("JUPYTERHUB_API_TOKEN", "")

    @default("request_timeout")
    def _default_request_timeout(self) -> int:
        try:
            return max(1, int(os.environ.get("JUPYTERHUB_REQUEST_TIMEOUT") or 60))
        except ValueError:
            return 60  # reported by problems()

    @default("log_level")
    def _default_log_level(self) -> int:
        return logging.INFO

    # -- derived values

    @property
    def token(self) -> str:
        """The token, read from its file if there is one."""
        if self.token_file:
            return Path(self.token_file).read_text("utf-8").strip()
        return self.api_token

    def oauth_settings(self, **changes: Any) -> "OAuthSettings":
        """The settings for signing in, from these settings and the environment."""
        from common.oauth.settings import OAuthSettings  # only needed to serve pages

        settings: dict[str, Any] = {
            "api_url": self.url,
            "api_token": self.token,
            "client_id": os.environ.get("JUPYTERHUB_CLIENT_ID") or f"service-{self.service_name}",
            "prefix": self.prefix,
            "access_scopes": environment.access_scopes(self.service_name),
            "public_hub_url": self.public_hub_url,
            "redirect_path": os.environ.get("JUPYTERHUB_OAUTH_CALLBACK_URL", ""),
            "tls": self.hub_tls,
            "cookie_host_prefix": environment.truth("JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED"),
            "cookie_options": environment.cookie_options(),
            "allow_plain_http": self.allow_plain_http,
        }
        return OAuthSettings(**(settings | changes))

    # -- problems

    def problems(self) -> list[str]:
        """Every problem, each with what to write instead."""
        found = list(self.mistakes)
        if self.needs_hub:
            found += environment.hub_problems(self.url, self.api_token, self.token_file)
        found += environment.environment_problems()
        hub_path = environment.hub_path_problems(self.base_url, self.public_hub_url)
        found += hub_path or environment.prefix_problems(self.service_prefix)
        if self.ssl_enabled:
            found += environment.internal_certs_problems(self.internal_certs_location)
        if tls := self._own_tls():
            found += environment.tls_problems(tls)
        return list(dict.fromkeys([*found, *self.own_problems()]))

    def own_problems(self) -> list[str]:
        """The problems of the service's own settings, files and packages. Services override it.

        They do not depend on the Hub's environment, so they can be found before the service runs.
        """
        return []

    def file_problems(self) -> list[str]:
        """The problems of the files that the service reads again whenever they change.

        They are no problems of a service that keeps the last valid text: it raises ConfigError
        when it runs, if it has none. Services override this and ``keeps_files``.
        """
        return []

    @property
    def keeps_files(self) -> bool:
        """Whether ``main()`` may work although there are ``file_problems()``."""
        return False

    def get_default_logging_config(self) -> dict[str, Any]:
        """Keep traitlets from changing the logging configuration."""
        return {"version": 1, "incremental": True}

    def configure_logging(self) -> None:
        """Log with the level and the format of the settings."""
        level = self.log_level
        if isinstance(level, str):
            level = LEVELS.get(level.upper(), logging.INFO)
        logs.configure(level=int(str(level)), style=str(self.log_style))

    @default("log")
    def _default_log(self) -> logging.Logger:
        return logging.getLogger(self.name)

    # -- running

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """A new event loop for the service."""
        return asyncio.new_event_loop()

    async def main(self) -> int:
        """Run the service until ``self.stopping`` is set. Returns the exit code."""
        raise NotImplementedError
