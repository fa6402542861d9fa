"""Notebooks as files. nbformat's functions have no types."""

from pathlib import Path
from typing import Any

import nbformat
from nbformat import v4

_nbformat: Any = nbformat
_v4: Any = v4


def read(path: Path) -> Any:
    """A notebook. It must be valid."""
    notebook = _nbformat.read(path, as_version=4)
    _nbformat.validate(notebook)
    return notebook


def write(notebook: Any, path: Path) -> None:
    """Write a notebook to a file."""
    _nbformat.write(notebook, path)


def code_cell(source: str) -> Any:
    """A cell that is executed."""
    return _v4.new_code_cell(source)
