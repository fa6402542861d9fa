"""The server extension that replaces nbgrader's formgrader: the same pages, rendered safely."""

import os
from pathlib import Path
from typing import Any

from jupyter_server.utils import url_path_join
from nbgrader.server_extensions.formgrader.formgrader import FormgradeExtension
from nbgrader.server_extensions.formgrader.handlers import template_path
from tornado.web import StaticFileHandler
from traitlets import Unicode

from services.formgrader_proxy.gradebook.configuration import ConfigurationFiles
from services.formgrader_proxy.gradebook.database.opened import prepare_existing
from services.formgrader_proxy.gradebook.grades.handlers import ROUTES
from services.formgrader_proxy.gradebook.handlers import settings as gradebook_settings
from services.formgrader_proxy.gradebook.handlers import with_gradebook
from services.formgrader_proxy.rendering.exporter import SubmissionExporter
from services.formgrader_proxy.rendering.handlers import with_nonce
from services.formgrader_proxy.rendering.nonce import NO_SCRIPTS, NONCE_HEADER
from services.formgrader_proxy.rendering.template_loader import page_environment

#: Where the pages find this package's scripts, below the formgrader's base URL.
STATIC_PATH = "formgrader/static/classroom/"
STATIC_FILES = Path(__file__).parent / "static"


class SafeFormgrader(FormgradeExtension):  # type: ignore[misc]
    """nbgrader's extension with safe templates, exporter and handlers."""

    notice = Unicode(help="Plain text at the top of every page.").tag(config=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._files = ConfigurationFiles()

    @property
    def url_prefix(self) -> str:
        """The course's directory, seen from the server's. Configuration is read if it changed."""
        if self._files.changed(self):
            return str(super().url_prefix)
        return str(os.path.relpath(self.coursedir.root, self.root_dir))

    def init_tornado_settings(self, webapp: Any) -> None:
        super().init_tornado_settings(webapp)
        static_url = url_path_join(webapp.settings["base_url"], STATIC_PATH)
        headers = webapp.settings.setdefault("headers", {})
        headers[NONCE_HEADER] = NO_SCRIPTS  # unless a handler of a page replaces it
        prepare_existing(self.coursedir.db_url)
        webapp.settings.update(
            gradebook_settings(),
            nbgrader_jinja2_env=page_environment(template_path, static_url, self.notice),
            nbgrader_exporter=SubmissionExporter(
                config=self.config, static_url=static_url, notice=self.notice
            ),
        )

    def init_handlers(self, webapp: Any) -> None:
        files = url_path_join(webapp.settings["base_url"], STATIC_PATH) + "(.*)"
        own = [(url_path_join(webapp.settings["base_url"], path), get) for path, get in ROUTES]
        webapp.add_handlers(".*$", [(files, StaticFileHandler, {"path": str(STATIC_FILES)}), *own])
        super().init_handlers(_WithNonces(webapp))


class _WithNonces:
    """Takes nbgrader's routes and adds them to the application with this project's handlers."""

    def __init__(self, webapp: Any) -> None:
        self._webapp = webapp
        self.settings = webapp.settings

    def add_handlers(self, host: str, routes: list[tuple[Any, ...]]) -> None:
        self._webapp.add_handlers(
            host,
            [
                (pattern, with_nonce(with_gradebook(handler)), *rest)
                for pattern, handler, *rest in routes
            ],
        )


def load_jupyter_server_extension(server: Any) -> None:
    """What Jupyter Server calls to load the extension, as in nbgrader's own."""
    formgrader = SafeFormgrader(parent=server)
    formgrader.root_dir = server.root_dir
    formgrader.log = server.log
    formgrader.initialize([])
    formgrader.init_tornado_settings(server.web_app)
    formgrader.init_handlers(server.web_app)
