"""A course, its formgrader, and the mechanism that isolates here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.formgrader_proxy.autograding.settings import read_settings
from services.formgrader_proxy.sandbox.mechanisms import available
from tests.integration.autograding.formgrader import Formgrader, copy_of, formgrader
from tests.integration.formgrader_proxy.hub import course_by_nbgrader

#: Small enough that a test exceeds each limit soon.
LIMITS = {"memory_mb": 512, "cpu_seconds": 20, "processes": 64, "files": 200, "disk_mb": 20}
LIMITS |= {"output_mb": 1, "seconds": 40}


@pytest.fixture(scope="session")
def new_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course that nbgrader made, with two autograded submissions. Not to be changed."""
    pytest.importorskip("nbgrader")
    return course_by_nbgrader(tmp_path_factory.mktemp("new-course") / "course")


def settings(**table: object) -> dict[str, object]:
    """The settings of a course, with a sandbox if one works here."""
    table = {"sandbox": "auto" if available().best else "none"} | table
    found = read_settings(table, lambda key, what: pytest.fail(f"{key}: {what}"))
    return found.to_json()


@pytest.fixture(scope="module")
def running(new_course: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formgrader]:
    """A formgrader with small limits, and with a sandbox if one works here."""
    course = copy_of(new_course, tmp_path_factory.mktemp("autograding"))
    with formgrader(course, settings(limits=LIMITS)) as found:
        yield found
