"""A Jupyter server that serves nbgrader's formgrader and nothing else.

:mod:`.process.launch` runs it as ``python -I -m services.formgrader_proxy.upstream.server`` in the
course's directory and writes one JSON object to its standard input: ``{"course_id", "base_url",
"listener", "token", "db_url", "db_url_file", "autograding"}``. "listener" is the descriptor of a
listening socket.
In its own container it gets "address" and "port" instead, "parent", the process id of its parent,
and "exchange", the directory of nbgrader's exchange for courses whose nbgrader_config.py does not
set one.

The token gives access to everything, so the account that runs students' code must not be able to
read it: it is neither in the environment nor in a file, and the memory of this process is hidden.
"""

import json
import os
import secrets
import socket
import sys
from typing import Any

from jupyter_server.serverapp import ServerApp
from traitlets.config import Config

from common.prctl import end_with_parent, hide_process
from services.formgrader_proxy.autograding import guards
from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.course_check.at_start import refuse_broken_course
from services.formgrader_proxy.gradebook.database.address import gradebook_url
from services.formgrader_proxy.rendering import configure as rendering
from services.formgrader_proxy.rendering import notices


class FormgraderServer(ServerApp):
    """Jupyter Server without contents, files, kernels, terminals or other extensions."""

    # Only configured by this module, not by files of the user or the machine.
    name = "formgrader-server"
    default_services = ("security",)  # type: ignore[assignment]  # a subset, on purpose

    def find_server_extensions(self) -> None:
        """Ignore extensions that happen to be enabled on this machine."""

    def write_server_info_file(self) -> None:
        """Do not write the token to a file."""

    def write_browser_open_files(self) -> None:
        """Do not write an address with the token to a file."""

    def adopt(self, listener: socket.socket) -> None:
        """Serve the connections to this socket, and to no other."""
        listener.setblocking(False)
        self._listener = listener

    def _bind_http_server(self) -> None:
        if hasattr(self, "_listener"):
            self.http_server.add_socket(self._listener)
        else:
            super()._bind_http_server()


def configuration(start: dict[str, Any]) -> Config:
    """The complete configuration of a course's server."""
    config = Config()
    server = config.ServerApp
    server.base_url = start["base_url"]
    # As good as the token, and otherwise written to a file.
    server.cookie_secret = secrets.token_bytes(32)
    if "listener" in start:
        # Only a name for the log. :meth:`FormgraderServer.adopt` replaces it.
        server.sock, server.sock_mode = "inherited", "0600"
    else:
        server.ip, server.port, server.port_retries = start["address"], start["port"], 0
    server.root_dir = os.getcwd()
    server.open_browser = False
    server.terminals_enabled = False
    server.allow_remote_access = True
    server.quit_button = False
    server.allow_root = True
    config.IdentityProvider.token = start["token"]
    rendering.configure(config, notice=autograding_settings(start).notice)
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


def inherited_socket(descriptor: int) -> socket.socket:
    """The socket with this descriptor, which no process that is started later inherits."""
    inherited = socket.socket(fileno=descriptor)
    inherited.set_inheritable(False)
    return inherited


def main() -> None:
    """Read the settings from standard input and serve until stopped."""
    hide_process()
    start = json.load(sys.stdin)
    if "parent" in start:  # a keeper sees to that itself
        end_with_parent(start["parent"])
    guards.install(autograding_settings(start))
    notices.add(refuse_broken_course(start).notice)
    app = FormgraderServer(config=configuration(start))
    if "listener" in start:
        app.adopt(inherited_socket(start["listener"]))
    app.initialize(argv=[])
    app.start()


if __name__ == "__main__":
    main()
