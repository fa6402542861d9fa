"""A submission's page: what making it safe costs.

The notebook has 30 cells with text, code, tables and pictures. It is rendered in this process, by
turns with each exporter.
"""

import logging
import os
import time
import warnings
from functools import partial

from nbconvert.exporters.html import HTMLExporter
from nbformat import NotebookNode
from nbgrader.server_extensions.formgrader.handlers import template_path

from services.formgrader_proxy.rendering.content.cache import RENDERED
from services.formgrader_proxy.rendering.nonce import new_nonce, rendering_with
from tests.bench.measure import Sample, in_turns, peak_mb
from tests.bench.report import Table
from tests.formgrader_proxy.rendering.notebooks import (
    PNG,
    RESOURCES,
    bare_exporter,
    code,
    display,
    exporter,
    markdown,
    notebook,
)

BARE, CLEANED, OURS = "nbgrader", "nbgrader with SanitizeHTML", "services.formgrader_proxy"
AGAIN = "services.formgrader_proxy, again"
MOST_SECONDS = 0.02
"""What a page may take longer than nbgrader's own."""

TEXT = "# Part {0}\n\nSome *text*, $x_{0} < 1$ and a [link](https://example.org).\n\n- a\n- b\n"
CODE = "\n".join(f"value_{n} = np.sum([{n}, 2])  # a comment" for n in range(20))
TABLE = "<table class='dataframe'>" + "<tr><td>1</td><td>2.5</td></tr>" * 30 + "</table>"


def rendering(repeats: int) -> list[Table]:
    """Measure the rendering of one page."""
    logging.getLogger("traitlets").setLevel(logging.ERROR)  # about pictures without descriptions
    cleaned = HTMLExporter(
        template_name="formgrade",
        extra_template_basedirs=[template_path],
        preprocessors=["nbconvert.preprocessors.sanitize.SanitizeHTML"],
    )
    exporters = {BARE: bare_exporter(), CLEANED: cleaned, OURS: exporter()}
    contenders = {name: partial(_measure, one) for name, one in exporters.items()}
    contenders |= {OURS: partial(_first, exporter()), AGAIN: partial(_measure, exporter())}
    in_turns(contenders, 1)  # loads the templates
    samples = in_turns(contenders, repeats)
    table = Table(
        "formgrader-page",
        "The page of a submission with 30 cells",
        samples,
        BARE,
        notes=[
            "All run in one process, after their templates have been loaded.",
            f"{OURS} has rendered nothing before, and {AGAIN} the same notebook.",
        ],
    )
    mine, bare = table.spread(OURS, "cpu"), table.spread(BARE, "cpu")
    assert mine is not None
    assert bare is not None
    added = mine.median - bare.median
    verdict = "Met" if added <= MOST_SECONDS else "Missed"
    difference = f"{abs(added) * 1000:.0f} ms {'more' if added > 0 else 'less'}"
    table.notes.append(
        f"{verdict}: {OURS} takes {difference} CPU time than {BARE}, target at most"
        f" {MOST_SECONDS * 1000:.0f} ms more. It does not parse the finished page again, as"
        " nbconvert does."
    )
    return [table]


def page_of_cells(pairs: int, graded: int | None = None, author: str = "") -> NotebookNode:
    """A notebook with this many pairs of a text and a code cell.

    The first ``graded`` code cells have scores; without a number, all cells have them.
    """
    outputs = (
        {"output_type": "stream", "name": "stdout", "text": "line of output\n" * 20},
        display({"text/html": TABLE}),
        display({"image/png": PNG * 50}),
    )
    cells = []
    for number in range(pairs):
        scored = graded is None or number < graded
        text = f"text{number}" if graded is None else None
        cells.append(markdown(TEXT.format(number) + author, text))
        source = f"{CODE}\n# {author}" if author and scored else CODE
        cells.append(code(source, *outputs, grade_id=f"code{number}" if scored else None))
    return notebook(*cells)


def _first(exporter: HTMLExporter) -> Sample:
    """Nothing of the notebook has been rendered before."""
    RENDERED.clear()
    return _measure(exporter)


def _measure(exporter: HTMLExporter) -> Sample:
    made = page_of_cells(15)
    with warnings.catch_warnings(action="ignore"), rendering_with(new_nonce()):
        wall, cpu = time.perf_counter(), time.process_time()
        exporter.from_notebook_node(made, dict(RESOURCES))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Sample(wall=wall, cpu=cpu, peak_mb=peak_mb(os.getpid()))
