"""Pages of submissions, rendered in process by the exporter of a course's formgrader."""

from functools import cache
from typing import Any

import nbformat
from nbconvert.exporters import HTMLExporter
from nbgrader.server_extensions.formgrader.formgrader import FormgradeExtension

from services.formgrader_proxy.rendering.exporter import SubmissionExporter
from services.formgrader_proxy.rendering.extension import STATIC_PATH, SafeFormgrader
from services.formgrader_proxy.rendering.nonce import rendering_with

BASE_URL = "/services/formgrader/course101/"
NONCE = "0123456789abcdef0123456789abcdef"
#: What nbgrader's handler passes to the exporter.
RESOURCES = {
    "assignment_id": "ps1",
    "notebook_id": "sums",
    "submission_id": "8a1fbc5f2a0d4a3c9c5d8e7f6a5b4c3d",
    "index": 0,
    "total": 3,
    "base_url": BASE_URL.rstrip("/"),
    "student": "ana",
    "last_name": "Ono",
    "first_name": "Ana",
    "notebook_path": "autograded/ana/ps1/sums.ipynb",
}


@cache
def exporter() -> SubmissionExporter:
    """The exporter as the server extension makes it, with nbgrader's configuration."""
    return SubmissionExporter(
        config=SafeFormgrader().build_extra_config(), static_url=BASE_URL + STATIC_PATH, notice=""
    )


def render(notebook: dict[str, Any], **resources: Any) -> str:
    """The page of this notebook. ``resources`` replace those of :data:`RESOURCES`."""
    with rendering_with(NONCE):
        page, _ = exporter().from_notebook_node(
            nbformat.from_dict(notebook), resources=RESOURCES | resources
        )
    return str(page)


def bare_page(notebook: dict[str, Any], **resources: Any) -> str:
    """The page as nbgrader's own extension renders it, without this project's exporter."""
    config = FormgradeExtension().build_extra_config()
    page, _ = HTMLExporter(config=config).from_notebook_node(
        nbformat.from_dict(notebook), resources=RESOURCES | resources
    )
    return str(page)
