"""A Jupyter server that serves nbgrader's formgrader and nothing else.

:mod:`.launch` runs it as ``python -I -m services.formgrader_proxy.upstream.server`` in the
course's directory and writes one JSON object to its standard input: ``{"course_id", "base_url",
"socket", "token", "db_url", "parent", "autograding"}``. In its own container it gets "address" and
"port" instead of "socket", and "exchange", the directory of nbgrader's exchange for courses whose
nbgrader_config.py does not set one. The token is not passed in the environment, because
autograding runs students' code in a child of this process, and a child can read its parent's
environment.
"""

import json
import os
import sys
from importlib.util import find_spec
from typing import Any

from jupyter_server.serverapp import ServerApp
from traitlets.config import Config

from services.formgrader_proxy.autograding import guards
from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.upstream.prctl import end_with_parent

#: Runs before a notebook is rendered. Removes scripts from Markdown and outputs, but keeps
#: nbgrader's score and comment fields, which are part of the template.
SANITIZER = "nbconvert.preprocessors.sanitize.SanitizeHTML"


class FormgraderServer(ServerApp):
    """Jupyter Server without contents, files, kernels, terminals or other extensions."""

    # Only configured by this module, not by files of the user or the machine.
    name = "formgrader-server"
    default_services = ("security",)  # type: ignore[assignment]  # a subset, on purpose

    def find_server_extensions(self) -> None:
        """Ignore extensions that happen to be enabled on this machine."""


def configuration(start: dict[str, Any]) -> Config:
    """The complete configuration of a course's server."""
    config = Config()
    server = config.ServerApp
    server.base_url = start["base_url"]
    if "socket" in start:
        server.sock = start["socket"]
        server.sock_mode = "0600"
    else:
        server.ip, server.port, server.port_retries = start["address"], start["port"], 0
    server.root_dir = os.getcwd()
    server.open_browser = False
    server.terminals_enabled = False
    server.allow_remote_access = True
    server.jpserver_extensions = {"nbgrader.server_extensions.formgrader": True}
    server.quit_button = False
    server.allow_root = True
    config.IdentityProvider.token = start["token"]
    config.HTMLExporter.preprocessors = [SANITIZER]
    config.CourseDirectory.root = os.getcwd()
    config.CourseDirectory.course_id = start["course_id"]
    if start.get("exchange"):
        config.Exchange.root = start["exchange"]
    if start.get("db_url"):
        config.CourseDirectory.db_url = gradebook_url(start["db_url"])
    # True would show the complete configuration on a page, including a database password.
    config.FormgradeExtension.debug = False
    return config


def autograding_settings(start: dict[str, Any]) -> AutogradingSettings:
    """The course's settings for autograding; without any, the defaults, which isolate."""
    values = start.get("autograding")
    return AutogradingSettings() if values is None else AutogradingSettings.from_json(values)


def gradebook_url(url: str) -> str:
    """The URL with the PostgreSQL driver that is installed.

    SQLAlchemy's choice for a URL without a driver depends on its version.

    :raises SystemExit: no driver is installed; the message says what to install
    """
    scheme, _, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres"}:
        return url
    for driver in ("psycopg", "psycopg2"):
        if find_spec(driver):
            return f"postgresql+{driver}://{rest}"
    raise SystemExit("A gradebook in PostgreSQL needs a driver: pip install 'psycopg[binary]'")


def main() -> None:
    """Read the settings from standard input and serve until stopped."""
    start = json.load(sys.stdin)
    end_with_parent(start["parent"])  # a service that was killed cannot stop its formgraders
    guards.install(autograding_settings(start))
    app = FormgraderServer(config=configuration(start))
    app.initialize(argv=[])
    app.start()


if __name__ == "__main__":
    main()
