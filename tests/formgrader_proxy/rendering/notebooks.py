"""Notebooks for the tests of rendering, and ways to render them."""

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters.html import HTMLExporter
from nbformat import NotebookNode
from nbgrader.server_extensions.formgrader.handlers import template_path

from services.formgrader_proxy.rendering.exporter import SubmissionExporter
from services.formgrader_proxy.rendering.nonce import new_nonce, rendering_with

#: A picture of one pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
STATIC = "/services/formgrader/c1/formgrader/static/classroom/"
RESOURCES: dict[str, Any] = {
    "assignment_id": "ps1",
    "notebook_id": "sums",
    "submission_id": "abc",
    "index": 0,
    "total": 1,
    "base_url": "/services/formgrader/c1",
    "student": "ana",
    "last_name": None,
    "first_name": None,
    "notebook_path": "c1/autograded/ana/ps1/sums.ipynb",
}


def markdown(text: Any, grade_id: str | None = None, **more: Any) -> dict[str, Any]:
    """A Markdown cell, graded if it has an id."""
    cell = {"cell_type": "markdown", "source": text, "metadata": metadata(grade_id)}
    return cell | more


def code(
    source: str = "f()", *outputs: dict[str, Any], grade_id: str | None = None, **more: Any
) -> dict[str, Any]:
    """A code cell, graded if it has an id."""
    cell = {"cell_type": "code", "source": source, "metadata": metadata(grade_id)}
    return cell | {"execution_count": 1, "outputs": list(outputs)} | more


def display(data: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """An output with this data."""
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def metadata(grade_id: str | None) -> dict[str, Any]:
    if grade_id is None:
        return {}
    flags = {"grade": True, "solution": True, "locked": False, "task": False}
    return {"nbgrader": {"grade_id": grade_id, "points": 3, "schema_version": 3, **flags}}


def notebook(*cells: dict[str, Any], **metadata: Any) -> NotebookNode:
    """A notebook as nbformat reads it."""
    made: NotebookNode = nbformat.from_dict(
        {"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": list(cells)}
    )
    return made


@cache
def exporter() -> SubmissionExporter:
    """The exporter of submissions, configured as by nbgrader's extension."""
    return SubmissionExporter(
        template_name="formgrade",
        extra_template_basedirs=[str(Path(template_path))],
        static_url=STATIC,
    )


@cache
def bare_exporter() -> HTMLExporter:
    """nbconvert's, as nbgrader configures it."""
    return HTMLExporter(
        template_name="formgrade", extra_template_basedirs=[str(Path(template_path))]
    )


def page(*cells: dict[str, Any], **metadata: Any) -> str:
    """A submission's page."""
    with rendering_with(new_nonce()):
        html, _ = exporter().from_notebook_node(notebook(*cells, **metadata), dict(RESOURCES))
    return html


def bare_page(*cells: dict[str, Any], **metadata: Any) -> str:
    """A submission's page on a bare formgrader."""
    html, _ = bare_exporter().from_notebook_node(notebook(*cells, **metadata), dict(RESOURCES))
    return str(html)


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element with this tag."""
        return [attributes for name, attributes in self.found if name == tag]
