"""Compares every answer about a course with nbgrader's own.

``python -m tests.formgrader_proxy.gradebook.contract.comparison DIRECTORY SEED...`` does it for
random courses with the installed nbgrader, also one that is not known yet.
"""

import json
import logging
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nbgrader.apps.api import NbGraderAPI
from nbgrader.server_extensions.formgrader.handlers import SubmissionNavigationHandler
from traitlets.config import Config

from services.formgrader_proxy.gradebook.database.opened import gradebook_engine
from services.formgrader_proxy.gradebook.database.sessions import RequestGradebook
from services.formgrader_proxy.gradebook.reads.course_api import CourseAPI
from services.formgrader_proxy.gradebook.reads.fast_gradebook import FastGradebook
from tests.formgrader_proxy.gradebook.contract.random_course import RandomCourse

#: The results of ``get_submission`` and others for names that nobody has.
NOBODY = "nobody"


def api(kind: type[NbGraderAPI], root: Path, url: str, settings: Config | None = None) -> Any:
    """nbgrader's API, or the quick one, for a course."""
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.course_id = "course101"
    config.CourseDirectory.db_url = url
    config.Exchange.root = str(root / "exchange")
    config.merge(settings or Config())
    found = kind(config=config)
    found.log.setLevel(logging.CRITICAL)
    return found


def differences(root: Path, url: str, settings: Config | None = None) -> list[str]:
    """What the two answer differently, a line each."""
    return [
        f"{name}: {difference}"
        for name, theirs, ours in _answers(root, url, settings)
        if (difference := _difference(theirs, ours))
    ]


def _answers(root: Path, url: str, settings: Config | None) -> Iterator[tuple[str, Any, Any]]:
    with _gradebook(url) as gradebook:
        students = {one.id for one in gradebook.students} | {NOBODY}
        assignments = {one.name for one in gradebook.assignments} | {NOBODY}
        notebooks = {
            (one.name, notebook.name) for one in gradebook.assignments for notebook in one.notebooks
        }
    for step, found in (("submitted", students), ("source", assignments)):
        found |= {path.name for path in (root / step).glob("*") if "\n" not in path.name}
    calls: list[tuple[Any, ...]] = [("get_assignments",), ("get_students",)]
    calls += [("get_submitted_students", "*")]
    for assignment in sorted(assignments):
        for method in ("get_assignment", "get_notebooks", "get_submissions"):
            calls.append((method, assignment))
        calls.append(("get_submitted_students", assignment))
        for student in sorted(students):
            calls.append(("get_submission", assignment, student))
            calls.append(("get_student_notebook_submissions", student, assignment))
    for student in sorted(students):
        calls += [("get_student", student), ("get_student_submissions", student)]
    for assignment, notebook in sorted(notebooks | {(NOBODY, NOBODY)}):
        calls.append(("get_notebook_submissions", assignment, notebook))
        calls.append(("get_notebook_submission_indices", assignment, notebook))
    theirs = api(NbGraderAPI, root, url, settings)
    for method, *words in calls:
        ours = api(CourseAPI, root, url, settings)  # one for each request
        yield (
            f"{method}({', '.join(words)})",
            _outcome(getattr(theirs, method), *words),
            _outcome(getattr(ours, method), *words),
        )
    for assignment, notebook in sorted(notebooks):
        yield (
            f"navigation({assignment}, {notebook})",
            *(
                _outcome(
                    _navigation, api(kind, root, url, settings), gradebook, assignment, notebook
                )
                for kind, gradebook in (
                    (
                        NbGraderAPI,
                        RequestGradebook(gradebook_engine(url, "course101"), "course101"),
                    ),
                    (CourseAPI, _gradebook(url)),
                )
            ),
        )


def _gradebook(url: str) -> FastGradebook:
    return FastGradebook(gradebook_engine(url, "course101"), "course101")


def _navigation(api: Any, gradebook: Any, assignment: str, notebook: str) -> Any:
    """The lists behind nbgrader's links to the next and previous submissions."""

    class Handler:
        def __init__(self) -> None:
            self.api, self.gradebook = api, gradebook

    handler: Any = Handler()
    with gradebook:
        everything = SubmissionNavigationHandler._get_submission_ids(handler, assignment, notebook)
        failed = [
            SubmissionNavigationHandler._get_incorrect_submission_ids(
                handler, assignment, notebook, type("Submission", (), {"id": "x"})
            )
        ]
    return [everything, failed]


def _outcome(function: Callable[..., Any], *words: Any) -> Any:
    """The answer as a page would get it, or the type of the error."""
    try:
        found = function(*words)
        return sorted(found) if isinstance(found, set) else json.loads(json.dumps(found))
    except Exception as error:
        return f"{type(error).__name__}"


def _difference(theirs: Any, ours: Any) -> str:
    """Where two answers differ; empty if they do not.

    The order of keys counts. The last digits of a sum do not: they depend on the order in which
    the database adds, which it does not promise.
    """
    if type(theirs) is not type(ours):
        return f"{theirs!r} is not {ours!r}"
    if isinstance(theirs, float):
        same = math.isclose(theirs, ours, rel_tol=1e-12, abs_tol=1e-12)
        return "" if same else f"{theirs!r} is not {ours!r}"
    if isinstance(theirs, dict) and list(theirs) != list(ours):
        return f"keys {list(theirs)} are not {list(ours)}"
    if isinstance(theirs, (dict, list)):
        if len(theirs) != len(ours):
            return f"{len(theirs)} entries, not {len(ours)}: {theirs} and {ours}"
        places = theirs if isinstance(theirs, dict) else range(len(theirs))
        found = (f"{at}: {_difference(theirs[at], ours[at])}" for at in places)
        return next((one for one in found if not one.endswith(": ")), "")
    return "" if theirs == ours else f"{theirs!r} is not {ours!r}"


def main(directory: Path, seeds: list[int]) -> int:
    """Print the differences; returns the exit code."""
    count = 0
    for seed in seeds:
        root = directory / f"course{seed}"
        course = RandomCourse(root, f"sqlite:///{root / 'gradebook.db'}", seed)
        course.make()
        for line in differences(root, course.url):
            count += 1
            print(f"seed {seed}: {line}")
    print(f"{count} differences in {len(seeds)} courses")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [int(word) for word in sys.argv[2:]]))
