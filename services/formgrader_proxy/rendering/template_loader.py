"""Loads templates through :mod:`.template_source`, and the environment of nbgrader's own pages."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from jinja2 import BaseLoader, Environment, FileSystemLoader, TemplateNotFound
from markupsafe import Markup, escape

from services.formgrader_proxy.new_names import for_scripts
from services.formgrader_proxy.rendering import notices
from services.formgrader_proxy.rendering.nonce import csp_nonce
from services.formgrader_proxy.rendering.template_source import (
    Origin,
    TemplateRefused,
    safe_source,
)

log = logging.getLogger("formgrader")

#: Files that are templates; others, such as style sheets, are inserted unchanged.
_TEMPLATES = (".tpl", ".j2")
#: What every page loads at the end of its head, in this order.
_STYLES = ("formgrader.css", "saving.css")
_SCRIPTS = (
    "formgrader.js",
    "saving.js",
    "saving_notice.js",
    "saving_drafts.js",
    "saving_fields.js",
    "jobs.js",
    "failures.js",
    "new_names.js",
)
#: What a loader returns: the source, its file, and whether it is still up to date.
_Source = tuple[str, str | None, Callable[[], bool] | None]


class SafeLoader(BaseLoader):
    """Another loader's templates, made safe. ``nbgrader`` is the folder of nbgrader's own."""

    def __init__(self, loader: BaseLoader, nbgrader: str) -> None:
        self._loader = loader
        self._nbgrader = Path(nbgrader).resolve()

    def get_source(self, environment: Environment, template: str) -> _Source:
        """As in Jinja.

        :raises TemplateRefused: the template contains something that is not known to be safe
        """
        source, file, up_to_date = self._find(environment, template)
        if not template.endswith(_TEMPLATES) and not (file or "").endswith(_TEMPLATES):
            return source, file, up_to_date
        own = file is not None and Path(file).resolve().is_relative_to(self._nbgrader)
        try:
            safe = safe_source(source, Origin.NBGRADER if own else Origin.NBCONVERT)
        except TemplateRefused as refused:
            log.error("the template %s is not served: %s", file or template, refused)
            raise
        return safe, file, up_to_date

    def _find(self, environment: Environment, template: str) -> _Source:
        try:
            return self._loader.get_source(environment, template)
        except TemplateNotFound:
            # nbgrader's page for a missing submission imports macros by a name they no longer have.
            if not template.endswith(".tpl"):
                raise
            renamed = f"formgrade/{template.removesuffix('.tpl')}.html.j2"
            return self._loader.get_source(environment, renamed)


def page_environment(nbgrader: str, static_url: str, notice: str) -> Environment:
    """The environment of nbgrader's pages. ``nbgrader`` is the folder of its templates."""
    loader = SafeLoader(FileSystemLoader([nbgrader]), nbgrader)
    environment = Environment(loader=loader, autoescape=True)
    add_page_parts(environment, static_url, notice, (*_SCRIPTS, "tables.js"))
    return environment


def add_page_parts(
    environment: Environment, static_url: str, notice: str, scripts: Sequence[str] = _SCRIPTS
) -> None:
    """What :mod:`.template_source` inserts into a page: scripts, a style sheet and the notice.

    ``static_url`` ends in a slash. ``notice`` is plain text, empty for none. ``scripts`` are files
    of ``static/``, which are loaded after nbgrader's.
    """
    style = Markup("").join(
        Markup('<link rel="stylesheet" href="{}{}">').format(static_url, name) for name in _STYLES
    )
    names = Markup('<meta name="classroom-names" content="{}">').format(json.dumps(for_scripts()))
    script = Markup('<script nonce="{}" src="{}{}"></script>')
    shown = Markup('<div class="alert alert-danger" id="course-notice" role="alert">{}</div>')
    environment.globals.update(
        csp_nonce=csp_nonce,
        classroom_head_start=lambda: "",
        classroom_head_end=lambda: (
            style
            + names
            + Markup("").join(script.format(csp_nonce(), static_url, name) for name in scripts)
        ),
        classroom_body_start=lambda: Markup("").join(
            shown.format(escape(text)) for text in (notice, *notices.current()) if text
        ),
        classroom_formulas=lambda: script.format(csp_nonce(), static_url, "formulas.js"),
    )
