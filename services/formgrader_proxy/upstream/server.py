"""A Jupyter server that serves nbgrader's formgrader and nothing else.

Run as ``python -I -m services.formgrader_proxy.upstream.server`` in the course's
directory by :mod:`.upstream`, which writes one JSON object to its standard input:
``{"course_id", "base_url", "socket", "token", "db_url", "parent"}``, with "address" and "port"
in place of "socket" where it has a container of its own, and "exchange", the folder of nbgrader's
exchange where the course's nbgrader_config.py names none. The token comes that way and
not in the environment, because autograding runs students' code in a child of this
process, and a child can read its parents' environment.
"""

import json
import os
import sys
from importlib.util import find_spec
from typing import Any

from jupyter_server.serverapp import ServerApp
from traitlets.config import Config

from services.formgrader_proxy.upstream.prctl import end_with_parent

#: Runs on the notebook before it becomes a page: takes scripts out of markdown and
#: outputs, and keeps nbgrader's score and comment boxes (they are in the template).
SANITIZER = "nbconvert.preprocessors.sanitize.SanitizeHTML"


class FormgraderServer(ServerApp):
    """Jupyter Server without contents, files, kernels, terminals and foreign extensions."""

    # Its settings come from us alone: no file of the user's or the machine's.
    name = "formgrader-server"
    default_services = ("security",)  # type: ignore[assignment]  # fewer of them, on purpose

    def find_server_extensions(self) -> None:
        """Look for no extension that happens to be enabled on this machine."""


def configuration(start: dict[str, Any]) -> Config:
    """The whole configuration of a course's server."""
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
    # Shows the whole configuration, a database's password too, on a page.
    config.FormgradeExtension.debug = False
    return config


def gradebook_url(url: str) -> str:
    """The URL with the PostgreSQL driver that is here: which one SQLAlchemy takes where none is
    named depends on its version.

    :raises SystemExit: there is none; the words say what to install
    """
    scheme, _, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres"}:
        return url
    for driver in ("psycopg", "psycopg2"):
        if find_spec(driver):
            return f"postgresql+{driver}://{rest}"
    raise SystemExit(
        "A gradebook in PostgreSQL needs a driver beside nbgrader: pip install 'psycopg[binary]'"
    )


def main() -> None:
    """Read what to serve from standard input and serve it until told to stop."""
    start = json.load(sys.stdin)
    end_with_parent(start["parent"])  # a service that was killed stops nothing itself
    app = FormgraderServer(config=configuration(start))
    app.initialize(argv=[])
    app.start()


if __name__ == "__main__":
    main()
