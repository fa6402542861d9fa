"""Exports notebooks as nbgrader's pages and feedback: nbconvert's exporter, made safe.

Everything that a template inserts is escaped, except what :mod:`.content.markdown` and
:mod:`.content.sanitizer` have made. A template of a future nbconvert that inserts something
else shows it as text.
"""

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from nbconvert.exporters.html import HTMLExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbformat import NotebookNode
from nbgrader.server_extensions.formgrader import handlers
from traitlets import Unicode

from services.formgrader_proxy.rendering.content.markdown import (
    highlighted,
    markdown_to_html,
    terminal_to_html,
)
from services.formgrader_proxy.rendering.content.sanitizer import sanitize
from services.formgrader_proxy.rendering.content.well_formed import well_formed
from services.formgrader_proxy.rendering.template_loader import SafeLoader, add_page_parts

_OWN_TEMPLATES = str(Path(__file__).parent / "templates")


class SubmissionExporter(HTMLExporter):
    """Exports a submission as the page on which it is graded."""

    static_url = Unicode(help="The address of this package's scripts, with a slash at its end.")
    notice = Unicode(help="Plain text at the top of the page.")

    def from_notebook_node(  # type: ignore[override]
        self, nb: Any, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """As in nbconvert, for any notebook that nbformat can read."""
        nb = well_formed(nb)
        language = nb.metadata.get("language_info", {})
        lexer = language.get("pygments_lexer", language.get("name"))
        highlight = Highlight2HTML(pygments_lexer=lexer, parent=self)
        self.environment.filters["highlight_code"] = lambda source, metadata=None: highlighted(
            highlight, source, metadata
        )
        self.environment.filters["filter_data_type"] = WidgetsDataTypeFilter(
            notebook_metadata={}, parent=self
        )
        # Not HTMLExporter's, which parses and writes the page again: that takes longer than
        # everything else, and could change the meaning of sanitized HTML.
        return TemplateExporter.from_notebook_node(self, nb, self._init_resources(resources), **kw)

    def _preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        nb, resources = super()._preprocess(nb, resources)
        for cell in nb.cells:
            if cell.get("execution_count", 0) is None:
                del cell["execution_count"]  # the template writes it as HTML
            for output in cell.get("outputs", ()):
                if "text/html" in output.get("data", {}):
                    output.data["text/html"] = sanitize(output.data["text/html"])
        style = resources.get("inlining", {}).get("css", [])
        resources.setdefault("inlining", {})["css"] = [Markup(css) for css in style]  # noqa: S704 - of Pygments
        return nb, resources

    def _validate_preprocessor(self, nbc: Any, preprocessor: Any) -> None:
        """Nothing: :mod:`.content.well_formed` leaves only what is valid.

        nbconvert validates the notebook after each of twelve preprocessors, which takes longer than
        its templates.
        """

    def _create_environment(self) -> Environment:
        environment: Environment = super()._create_environment()
        assert environment.loader is not None  # noqa: S101 - nbconvert has just set it
        environment.loader = ChoiceLoader(
            [
                FileSystemLoader(_OWN_TEMPLATES),
                SafeLoader(environment.loader, handlers.template_path),
            ]
        )
        environment.autoescape = True
        environment.filters.update(
            ansi2html=terminal_to_html,
            clean_html=sanitize,
            escape_html=lambda value: escape(str(value)),
            escape_html_keep_quotes=lambda value: escape(str(value)),
            markdown2html=_markdown2html,
            strip_files_prefix=lambda html: html,  # done before the HTML is sanitized
        )
        self._add_parts(environment)
        return environment

    def _add_parts(self, environment: Environment) -> None:
        add_page_parts(environment, self.static_url, self.notice)


@pass_context
def _markdown2html(context: Context, source: Any) -> Markup:
    cell = context.get("cell") or {}
    return markdown_to_html(source, cell.get("attachments", {}))
