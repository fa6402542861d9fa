"""Exports a graded submission as feedback: an HTML file for its student.

Students and instructors open it through Jupyter, possibly on the origin of the Hub, so it is made
like the page on which the submission was graded. The file contains its own policy. Its formulas are
typeset by MathJax from a CDN, because the file can be opened anywhere.
"""

from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from services.formgrader_proxy.rendering.exporter import SubmissionExporter
from services.formgrader_proxy.rendering.nonce import csp_nonce, new_nonce, rendering_with

#: The same version that services/npm/package.json names.
MATHJAX_URL = "https://cdn.jsdelivr.net/npm/mathjax@3.2.2/es5/"
#: MathJax may load its own parts: ``strict-dynamic`` extends to what a script with the nonce adds.
_POLICY = (
    "default-src 'none'; script-src 'nonce-{}' 'strict-dynamic'; style-src 'unsafe-inline';"
    " img-src 'self' data:; media-src 'self' data:; font-src 'self' {}; form-action 'none';"
    " base-uri 'none'"
)
_FORMULAS = """
<script nonce="{0}">
window.MathJax = {{
  loader: {{ load: ["ui/safe"] }},
  tex: {{
    inlineMath: [["$", "$"], ["\\\\(", "\\\\)"]],
    processEscapes: true,
    tags: "ams",
    packages: {{ "[-]": ["require", "autoload"] }},
    macros: {{ require: ["", 1] }},
  }},
  options: {{ enableMenu: false }},
}};
</script>
<script nonce="{0}" src="{1}tex-chtml-full.js" async></script>
"""
_STYLE = """<style>
#notebook .input_area, #notebook .output_subarea, #notebook .text_cell_render {
  contain: layout paint;
  overflow-x: auto;
}
</style>"""


class FeedbackExporter(SubmissionExporter):
    """Exports a submission with its scores and comments. ``GenerateFeedback`` uses it."""

    def from_notebook_node(  # type: ignore[override]
        self, nb: Any, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """As in nbconvert. The nonce is new for every file, so no submission can contain it."""
        with rendering_with(new_nonce()):
            return super().from_notebook_node(nb, resources, **kw)

    def _add_parts(self, environment: Environment) -> None:
        super()._add_parts(environment)
        style, formulas = Markup(_STYLE), Markup(_FORMULAS)  # noqa: S704 - constants
        meta = Markup('<meta http-equiv="Content-Security-Policy" content="{}">')
        environment.globals.update(
            classroom_head_start=lambda: meta.format(_POLICY.format(csp_nonce(), MATHJAX_URL)),
            classroom_head_end=lambda: style,
            classroom_body_start=lambda: "",
            classroom_formulas=lambda: formulas.format(csp_nonce(), MATHJAX_URL),
        )
