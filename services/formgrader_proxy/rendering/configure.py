"""Configures a course's server for rendering: one call for :mod:`..upstream.server`."""

from traitlets.config import Config

EXTENSION = "services.formgrader_proxy.rendering.extension"
FEEDBACK = "services.formgrader_proxy.rendering.feedback.FeedbackExporter"


def configure(config: Config, *, notice: str = "") -> None:
    """Serve nbgrader's formgrader with safe pages, and write feedback without scripts.

    ``notice`` is plain text for the top of every page of the course.
    """
    config.ServerApp.jpserver_extensions = {EXTENSION: True}
    config.SafeFormgrader.notice = notice
    config.GenerateFeedback.exporter_class = FEEDBACK
