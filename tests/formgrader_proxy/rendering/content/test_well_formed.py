"""Notebooks that are valid for nbformat, or not even that, and not what templates expect."""

from typing import Any

import pytest

pytest.importorskip("nbgrader")
from tests.formgrader_proxy.rendering.notebooks import (
    PNG,
    Elements,
    bare_page,
    code,
    display,
    markdown,
    page,
)

ODD: dict[str, Any] = {
    "widgets without a state": {"widgets": {"application/vnd.jupyter.widget-state+json": {}}},
    "widgets without a type": {"widgets": {}},
    "widgets of another kind": {"widgets": []},
    "a language that is no object": {"language_info": "python"},
    "a lexer that does not exist": {"language_info": {"name": "x", "pygments_lexer": "no such"}},
    "a language that is no text": {"language_info": {"name": ["x"]}, "language": 7},
    "a title that is no text": {"title": {"x": "<script>"}},
    "a kernel without a name": {"kernelspec": {}},
}


@pytest.mark.attack("rendered-metadata")
@pytest.mark.parametrize("metadata", ODD.values(), ids=ODD.keys())
def test_odd_metadata_of_a_notebook_is_ignored(metadata: dict[str, Any]) -> None:
    """The page and its scores are as without it."""
    html = page(markdown("x", "why"), code("f()", display({"text/plain": "shown"})), **metadata)
    assert 'id="why"' in html
    assert "shown" in html


def test_broken_widgets_end_a_bare_page() -> None:
    """What the previous test would find without the exporter."""
    widgets: dict[str, Any] = {"application/vnd.jupyter.widget-state+json": {}}
    with pytest.raises(KeyError):
        bare_page(code("f()", display({"text/plain": "shown"})), widgets=widgets)


GRADE = {"grade_id": "a", "grade": True}
RAW = {"cell_type": "raw", "source": "<script>x</script>", "metadata": {"raw_mimetype": 7}}
ODD_CELLS: dict[str, dict[str, Any]] = {
    "tags of another kind": markdown("x", metadata={"tags": {"a": 1}}),
    "tags with classes": markdown("x", metadata={"tags": ["a score nbgrader_cell", 7]}),
    "nbgrader without an id": markdown("x", metadata={"nbgrader": {"grade": True}}),
    "nbgrader of another kind": markdown("x", metadata={"nbgrader": "score"}),
    "points that are no number": markdown("x", metadata={"nbgrader": GRADE | {"points": {}}}),
    "a magic that is no text": code("%%js\nx", metadata={"magics_language": ["x"]}),
    "transient of another kind": code("x", metadata={"transient": [], "collapsed": "x"}),
    "sources of another kind": markdown("x", source=7),
    "outputs of another kind": code("x", outputs={"a": 1}),
    "an output without a type": code("x", {"data": 7}),
    "an output without data": code("x", {"output_type": "display_data"}),
    "data of another kind": code("x", display({"text/html": {"a": 1}, "image/png": 7})),
    "metadata of another kind": code("x", display({"image/png": PNG}) | {"metadata": 7}),
    "filenames": code("x", display({"image/png": PNG}, filenames={"image/png": "x onerror=a"})),
    "a frame": code("x", display({"text/html": "x"}, **{"text/html": {"isolated": True}})),
    "attachments of another kind": markdown("![](attachment:a)", attachments={"a": 7}),
    "an attachment without data": markdown("![](attachment:a)", attachments={"a": {}}),
    "surrogates": markdown("\ud800 x", metadata={}),
    "nested lists": markdown("- " * 500 + "x"),
    "nested quotes": markdown(">" * 5_000 + "x"),
    "environments": markdown("\\begin{a}" * 20_000),
    "a raw cell": RAW,
    "an unknown cell": {"cell_type": "heading", "source": "x", "metadata": {}},
    "a count of another kind": code("x", execution_count="<script>"),
    "much text": code("x", {"output_type": "stream", "name": "stdout", "text": "x" * 3_000_000}),
}


@pytest.mark.attack("rendered-metadata")
@pytest.mark.parametrize("cell", ODD_CELLS.values(), ids=ODD_CELLS.keys())
def test_an_odd_cell_does_not_end_the_page(cell: dict[str, Any]) -> None:
    """The graded cell after it is shown with its fields, and nothing runs."""
    html = page(cell, markdown("The answer", "why"))
    found = Elements(html)
    assert "The answer" in html
    assert [one["id"] for one in found.of("textarea")][-1:] == ["why-comment"]
    assert not found.of("iframe")
    assert all("nonce" in script for script in found.of("script"))
    assert not any(name.startswith("on") for _, attributes in found.found for name in attributes)
    assert len(html) < 2_000_000
    html.encode()
