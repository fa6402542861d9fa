"""Brings a student's notebook into the form that the templates expect.

nbformat accepts nearly anything as metadata, and reads invalid notebooks with a warning. nbconvert
and nbgrader rely on types that nobody checks: a string as width, an object as tag or widgets
without a state either end the page with an error or appear in its HTML. This module builds a new
notebook from the known parts of the old one, and leaves out everything else.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode

#: Characters of one text in an output; the rest is left out with a note.
MOST_TEXT = 1_000_000
#: The types of outputs that are shown, and how they are stored.
SHOWN = (
    *("text/html", "text/markdown", "image/svg+xml", "text/latex"),
    *("image/png", "image/jpeg", "text/plain"),
)
#: Those whose metadata, the size of a picture, is used.
_PICTURES = ("image/png", "image/jpeg")
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")
_WORD = re.compile(r"[\w-]{1,64}")
#: Flags in nbgrader's metadata of a cell.
_FLAGS = ("grade", "locked", "solution", "task")


def well_formed(notebook: Any) -> NotebookNode:
    """A copy of a notebook with only what a page shows, each value of the expected type."""
    metadata = _mapping(_mapping(notebook).get("metadata"))
    found = _mapping(notebook).get("cells")
    made = [_cell(cell) for cell in found] if isinstance(found, list) else []
    cells = [cell for cell in made if cell is not None]
    _unique_grades(cells)
    return NotebookNode(nbformat=4, nbformat_minor=4, metadata=_language(metadata), cells=cells)


def _language(metadata: Mapping[str, Any]) -> NotebookNode:
    info = _mapping(metadata.get("language_info"))
    keys = ("name", "pygments_lexer")
    texts = NotebookNode({key: info[key] for key in keys if _matches(_LANGUAGE, info.get(key))})
    return NotebookNode(language_info=texts) if "name" in texts else NotebookNode()


def _cell(cell: Any) -> NotebookNode | None:
    cell = _mapping(cell)
    kind = cell.get("cell_type")
    if kind not in ("code", "markdown", "raw"):
        return None
    made = NotebookNode(
        cell_type=kind, source=_text(cell.get("source")), metadata=_cell_metadata(cell)
    )
    if kind == "code":
        made.execution_count = _count(cell)
        outputs = cell.get("outputs")
        made.outputs = [_output(one) for one in outputs] if isinstance(outputs, list) else []
    elif kind == "markdown":
        made.attachments = {
            str(name): texts
            for name, bundle in _mapping(cell.get("attachments")).items()
            if (texts := {k: v for k, v in _mapping(bundle).items() if isinstance(v, str)})
        }
    return made


def _cell_metadata(cell: Mapping[str, Any]) -> NotebookNode:
    metadata = _mapping(cell.get("metadata"))
    made = NotebookNode()
    tags = metadata.get("tags")
    if isinstance(tags, list):
        made.tags = [tag for tag in tags if _matches(_WORD, tag)]
    nbgrader = _mapping(metadata.get("nbgrader"))
    grade_id = nbgrader.get("grade_id")
    if isinstance(grade_id, str) and grade_id:
        made.nbgrader = NotebookNode({flag: nbgrader.get(flag) is True for flag in _FLAGS})
        made.nbgrader.grade_id = grade_id
        made.nbgrader.points = _number(nbgrader.get("points")) or 0
    return made


def _unique_grades(cells: list[NotebookNode]) -> None:
    """Keep the last cell of each id as the graded one, as nbgrader's ``DeduplicateIds`` does."""
    seen: set[str] = set()
    for cell in reversed(cells):
        if "nbgrader" in cell.metadata:
            if cell.metadata.nbgrader.grade_id in seen:
                del cell.metadata["nbgrader"]
            else:
                seen.add(cell.metadata.nbgrader.grade_id)


def _output(output: Any) -> NotebookNode:
    output = _mapping(output)
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return NotebookNode(output_type=kind, name=name, text=_text(output.get("text")))
    if kind == "error":
        lines = output.get("traceback")
        return NotebookNode(
            output_type=kind,
            ename=_text(output.get("ename")),
            evalue=_text(output.get("evalue")),
            traceback=[_text(line) for line in lines] if isinstance(lines, list) else [],
        )
    data = _mapping(output.get("data"))
    made = NotebookNode({kind: _text(data[kind]) for kind in SHOWN if _is_text(data.get(kind))})
    if not made:
        names = ", ".join(str(name) for name in data)
        made["text/plain"] = f"[This output is not shown: {names or 'it has no content'}]"
    metadata = _mapping(output.get("metadata"))
    shown = NotebookNode(
        output_type="display_data",
        data=made,
        metadata=NotebookNode({kind: _size(metadata.get(kind)) for kind in _PICTURES}),
    )
    if kind == "execute_result":
        shown.update(output_type=kind, execution_count=_count(output))
    return shown


def _count(counted: Mapping[str, Any]) -> int | None:
    count = counted.get("execution_count")
    return count if isinstance(count, int) and 0 <= count < 1_000_000 else None


def _size(metadata: Any) -> NotebookNode:
    metadata = _mapping(metadata)
    made = NotebookNode()
    for name in ("width", "height"):
        number = _number(metadata.get(name))
        if number is not None:
            made[name] = int(number)
    if isinstance(metadata.get("alt"), str):
        made.alt = metadata["alt"]
    return made


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(line, str) for line in value)
    )


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else "".join(value) if _is_text(value) else ""
    # Surrogates cannot be encoded, so they would end the response.
    text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) <= MOST_TEXT:
        return text
    return f"{text[:MOST_TEXT]}\n… {len(text) - MOST_TEXT:,} more characters are not shown."


def _number(value: Any) -> float | None:
    """A number, also one that is written as text or with ``px``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*(?:px)?\s*", value)
        value = float(found[1]) if found else None
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value < 1_000_000:
        return float(value)
    return None


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
