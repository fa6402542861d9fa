"""Adds an assignment to a course, with one submission that takes a minute to autograde.

``python -m tests.bench.formgrader_proxy.long_assignment DIRECTORY COURSE_ID`` creates it. nbgrader
runs alembic by name, so PATH must contain the environment's programs.
"""

import os
import shutil
import sys
from pathlib import Path

from nbformat.v4 import new_notebook

from tests.integration.autograding import notebooks
from tests.integration.formgrader_proxy.course import graded_cell

ASSIGNMENT, NOTEBOOK, STUDENT = "long", "long", "student0000"
SECONDS = 60
#: nbgrader stops a cell after 30 s.
CELLS = 3
_CELL = """import time
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    sum(range(10_000))
"""


def make_assignment(directory: Path, course_id: str) -> None:
    """Write the source, have nbgrader release it, and submit it with the long cells."""
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import Config

    source = directory / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    source.parent.mkdir(parents=True)
    test = notebooks.code_cell("assert True")
    test.metadata |= graded_cell("test", locked=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = new_notebook(cells=[test], metadata=kernel)  # type: ignore[no-untyped-call]  # of nbformat
    notebooks.write(notebook, source)
    config = Config()
    config.CourseDirectory.root = str(directory)
    config.CourseDirectory.course_id = course_id
    result = NbGraderAPI(config=config).generate_assignment(ASSIGNMENT)
    if not result["success"]:
        raise RuntimeError(result)
    submitted = directory / "submitted" / STUDENT / ASSIGNMENT
    shutil.copytree(directory / "release" / ASSIGNMENT, submitted)
    notebook = notebooks.read(submitted / f"{NOTEBOOK}.ipynb")
    notebook.cells[0:0] = [
        notebooks.code_cell(_CELL.format(seconds=SECONDS / CELLS)) for _ in range(CELLS)
    ]
    notebooks.write(notebook, submitted / f"{NOTEBOOK}.ipynb")
    (submitted / "timestamp.txt").write_text("2026-01-15 12:00:00 UTC")


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    make_assignment(Path(sys.argv[1]).resolve(), sys.argv[2])
