"""Renders what students wrote: Markdown, code and terminal output, each sanitized.

nbconvert's part is kept in :mod:`.cache`. The sanitizer comes after it.
"""

import json
import re
import warnings
from typing import Any

from markupsafe import Markup
from nbconvert.filters import ansi2html
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.filters.strings import strip_files_prefix

from services.formgrader_proxy.rendering.content.cache import RENDERED
from services.formgrader_proxy.rendering.content.sanitizer import sanitize, shown_as_text

#: Markdown with more of one of these is shown as it was written: parsing takes quadratic time.
_MOST = {"": 40_000, "`": 2_000, "\\begin": 200, "![": 1_000, "|": 8_000, "*": 8_000}
#: Longer code is not highlighted.
MOST_CODE = 200_000
_TASK = re.compile(r'<input class="task-list-item-checkbox" type="checkbox" disabled( checked)?/?>')


class _Renderer(IPythonRenderer):
    """nbconvert's, except that a missing attachment does not end the page."""

    def _embed_image_or_attachment(self, src: str) -> str:
        name = src.removeprefix("attachment:")
        if name != src and name not in self.attachments:
            return ""
        return super()._embed_image_or_attachment(src)


def markdown_to_html(source: Any, attachments: Any) -> Markup:
    """Markdown as HTML; ``attachments`` are the pictures that belong to the cell."""
    text = str(source)
    if any(_count(text, part) > most for part, most in _MOST.items()):
        return shown_as_text(text)
    pictures = dict(attachments)
    try:
        html = RENDERED.get(
            "markdown", text, json.dumps(pictures), make=lambda: _markdown(text, pictures)
        )
    except Exception:  # the parser recurses, and trusts attachments to be complete
        return shown_as_text(text)
    html = _TASK.sub(lambda box: "☑ " if box[1] else "☐ ", html)
    # nbconvert removes files/ from addresses. Afterwards they may be something else, so the
    # sanitizer comes last.
    return sanitize(strip_files_prefix(html))


def _markdown(text: str, attachments: dict[str, Any]) -> str:
    return str(
        MarkdownWithMath(renderer=_Renderer(escape=False, attachments=attachments)).render(text)
    )


def _count(text: str, part: str) -> int:
    return text.count(part) if part else len(text)


def highlighted(highlight: Highlight2HTML, source: Any, metadata: Any) -> Markup:
    """Code as HTML with colours."""
    text = str(source)
    if len(text) > MOST_CODE:
        return shown_as_text(text)
    try:
        html = RENDERED.get(
            "code",
            text,
            str(highlight.pygments_lexer),
            str((metadata or {}).get("magics_language")),
            repr(highlight.extra_formatter_options),
            make=lambda: _highlighted(highlight, text, metadata),
        )
    except Exception:  # of a lexer that the notebook chose
        return shown_as_text(text)
    return sanitize(html)


def _highlighted(highlight: Highlight2HTML, text: str, metadata: Any) -> str:
    with warnings.catch_warnings(action="ignore"):  # about languages without colours
        return str(highlight(text, metadata=metadata))


def terminal_to_html(text: Any) -> Markup:
    """Output of a program as HTML, with the colours of its ANSI sequences."""
    shown = str(text)
    return sanitize(RENDERED.get("terminal", shown, make=lambda: str(ansi2html(shown))))
