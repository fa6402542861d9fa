"""The outputs of a cell, made valid and shortened."""

import json
from collections.abc import Iterator
from typing import Any

from nbformat.v4 import nbbase

from services.formgrader_proxy.autograding.files.submissions import size

#: What is kept of the outputs of a cell that printed too much, in characters.
KEPT_CHARACTERS = 64 * 1024
TRUNCATED = "\n… The rest of the output was removed.\n"


_output: Any = nbbase.new_output
_validate: Any = nbbase.validate


def explanation(reason: str) -> Any:
    """An output that says why a notebook was stopped. nbgrader gives a cell with it no points."""
    return _output(
        "error", ename="NotebookStopped", evalue=reason, traceback=[f"NotebookStopped: {reason}"]
    )


def make_valid(cell: Any) -> None:
    """Replace outputs that are not valid in a notebook, which code can send on purpose."""
    if cell.cell_type != "code":
        return
    if type(cell.get("execution_count")) is not int:
        cell["execution_count"] = None
    cell["outputs"] = [_valid(output) for output in cell.get("outputs", [])]


def _valid(output: Any) -> Any:
    try:
        _validate(output, output["output_type"])
    except Exception:  # whatever is wrong with it, including its depth
        return explanation("This output was removed because it is not valid.")
    return output


def shorten_message(content: dict[str, Any]) -> None:
    """Shorten the content of a message: the text of a stream, or else the data of an output."""
    text, data = content.get("text"), content.get("data")
    if isinstance(text, str):
        content["text"] = text[: 2 * KEPT_CHARACTERS]
    if isinstance(data, dict):
        content["data"] = {"text/plain": "[…]"}


def shorten(outputs: list[Any]) -> list[Any]:
    """The first :data:`KEPT_CHARACTERS` of text outputs; larger ones of other kinds are removed."""
    return list(_shortened(outputs))


def _shortened(outputs: list[Any]) -> Iterator[Any]:
    room = KEPT_CHARACTERS
    for output in outputs:
        if output["output_type"] == "stream":
            text = "".join(output["text"])
            if len(text) > room:
                yield _output("stream", name=output["name"], text=text[:room] + TRUNCATED)
                return
            room -= len(text)
        else:
            length = len(json.dumps(output))
            if length > room:
                yield _output("stream", name="stdout", text=f"[{size(length)}]{TRUNCATED}")
                return
            room -= length
        yield output
