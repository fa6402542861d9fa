"""nbgrader's request handlers, each with its own session of the gradebook."""

from typing import Any

from nbgrader.apps.api import NbGraderAPI
from nbgrader.server_extensions.formgrader.base import BaseHandler
from tornado.log import app_log
from tornado.web import RequestHandler

from services.formgrader_proxy.gradebook.configuration import ConfigurationFiles
from services.formgrader_proxy.gradebook.conflicts import KeepsOthersChanges, is_shared
from services.formgrader_proxy.gradebook.database.opened import gradebook_engine
from services.formgrader_proxy.gradebook.database.sessions import RequestGradebook
from services.formgrader_proxy.gradebook.reads.agreement import agreement_warning, agrees
from services.formgrader_proxy.gradebook.reads.course_api import CourseAPI
from services.formgrader_proxy.gradebook.reads.fast_gradebook import FastGradebook

_CHANGES = frozenset({"PUT", "POST", "PATCH", "DELETE"})


class _Gradebook:
    """Mixed into a handler of nbgrader."""

    __gradebook: RequestGradebook | None = None
    __api: NbGraderAPI | None = None

    @property
    def gradebook(self) -> RequestGradebook:
        """The gradebook, until the end of this request.

        The configuration says where it is, and may have changed since the last request: otherwise
        one process would save in a place that the others no longer use.
        """
        if self.__gradebook is None:
            handler: Any = self
            self.__read_configuration()
            course_id = handler.coursedir.course_id
            self.__gradebook = handler.settings["classroom_gradebook"](
                gradebook_engine(handler.db_url, course_id),
                course_id,
                changes=handler.request.method in _CHANGES,
            )
        return self.__gradebook

    @property
    def api(self) -> NbGraderAPI:
        """nbgrader's functions, with the current configuration."""
        if self.__api is None:
            handler: Any = self
            level = handler.log.level
            self.__read_configuration()
            self.__api = handler.settings["classroom_api"](
                handler.coursedir, handler.authenticator, parent=handler.coursedir.parent
            )
            self.__api.log_level = level
        return self.__api

    def __read_configuration(self) -> None:
        handler: Any = self
        app = handler.coursedir.parent
        if handler.settings["classroom_configuration"].changed(app):
            app.load_config_file()

    def on_finish(self) -> None:
        """End the session, also after an error."""
        if self.__gradebook is not None:
            self.__gradebook.close()
        super().on_finish()  # type: ignore[misc]


def settings() -> dict[str, Any]:
    """The application's settings for these handlers."""
    agreed = agrees()
    if warning := agreement_warning():
        app_log.warning("%s", warning)
    return {
        "classroom_configuration": ConfigurationFiles(),
        "classroom_api": CourseAPI if agreed else NbGraderAPI,
        "classroom_gradebook": FastGradebook if agreed else RequestGradebook,
    }


def with_gradebook(handler: type[RequestHandler]) -> type[RequestHandler]:
    """The same handler, with its own session if it can use the gradebook."""
    if not issubclass(handler, BaseHandler):
        return handler
    mixins = (KeepsOthersChanges, _Gradebook) if is_shared(handler) else (_Gradebook,)
    return type(handler.__name__, (*mixins, handler), {})
