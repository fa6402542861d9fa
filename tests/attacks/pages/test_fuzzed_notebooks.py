"""Any notebook that nbformat accepts becomes a page on which nothing runs and grading works.

The examples are assembled from hostile pieces and rendered by the exporter of a course's
formgrader. Run more of them with ``--hypothesis-profile=long``.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.attacks.pages.notebooks import GRADED, HTML, MARKDOWN, graded_cells, notebooks
from tests.attacks.pages.page_check import faults
from tests.attacks.pages.rendered import NONCE, bare_page, render


def check(notebook: dict[str, Any], page: str) -> list[str]:
    """What is wrong with the page of this notebook."""
    graded, comments = graded_cells(notebook)
    return faults(page, nonce=NONCE, graded=graded, comments=comments)


def with_text(text: str, **metadata: Any) -> dict[str, Any]:
    """A notebook with a text in each place of a cell where a student can write one."""
    cells: list[dict[str, Any]] = []
    for name, flags in GRADED.items():
        nbgrader = flags | {"grade_id": name, "schema_version": 3}
        cells.append({"cell_type": "markdown", "source": text, "metadata": {"nbgrader": nbgrader}})
    mimes = ("text/html", "text/markdown", "text/latex", "image/svg+xml", "text/plain")
    shown = [*({mime: text} for mime in mimes), {"image/png": text, "image/jpeg": text}]
    cells.append(
        {
            "cell_type": "code",
            "source": text,
            "metadata": {"tags": ["x"]},
            "execution_count": 1,
            "outputs": [
                *(
                    {
                        "output_type": "display_data",
                        "data": data,
                        "metadata": {next(iter(data)): {"width": text, "height": text}},
                    }
                    for data in shown
                ),
                {"output_type": "stream", "name": "stdout", "text": text},
                {"output_type": "error", "ename": text, "evalue": text, "traceback": [text]},
            ],
        }
    )
    return {
        "nbformat": 4,
        "nbformat_minor": 4,
        "metadata": {"language_info": {"name": "python"}} | metadata,
        "cells": cells,
    }


@pytest.mark.attack("fuzz-pieces")
@pytest.mark.parametrize("text", [*HTML, *MARKDOWN], ids=lambda text: text[:40])
def test_each_piece_in_each_place(text: str) -> None:
    """One piece at a time, in every field of a cell and of an output."""
    notebook = with_text(text, title=text, widgets={text: text})
    assert check(notebook, render(notebook)) == []


@pytest.mark.attack("fuzz-pieces")
def test_the_pieces_reach_a_bare_formgraders_page() -> None:
    """nbgrader's own exporter, as its documentation configures it, lets all of them in."""
    benign = with_text("harmless")
    usual = check(benign, bare_page(benign))
    pieces = HTML[:10]
    harmful = [text for text in pieces if check(benign, bare_page(with_text(text))) != usual]
    assert harmful == list(pieces)


@pytest.mark.attack("fuzz-widgets")
@pytest.mark.parametrize(
    "widgets", ["x", {}, {"x": "x"}, {"application/vnd.jupyter.widget-state+json": {}}]
)
def test_widgets_without_a_state_do_not_break_the_page(widgets: Any) -> None:
    """nbgrader's own exporter fails on each of them, so that nobody could grade the submission."""
    notebook = with_text("harmless", widgets=widgets)
    assert check(notebook, render(notebook)) == []
    with pytest.raises((AttributeError, KeyError, TypeError)):
        bare_page(notebook)


@pytest.mark.attack("fuzz-notebooks")
@settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(notebooks())
def test_any_notebook_renders_and_can_be_graded(notebook: dict[str, Any]) -> None:
    """No error, nothing dangerous, and exactly the score and comment fields of the template."""
    assert check(notebook, render(notebook)) == []
