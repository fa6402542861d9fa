"""A real hub with the formgrader proxy as a managed service and a course that nbgrader made."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.realhub import RealHub
from tests.paths import ROOT

COURSE = "course101"
GRADER, INSTRUCTOR, STUDENT = "gail", "iris", "ana"
PREFIX = f"services/formgrader/{COURSE}/"


def course_by_nbgrader(
    directory: Path,
    course_id: str = COURSE,
    module: str = "tests.integration.formgrader_proxy.course",
) -> Path:
    """Create the course in a separate process, because nbgrader changes the working directory."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    home = directory.parent / "home"
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            sys.executable,
            "-m",
            module,
            str(directory),
            course_id,
        ],
        cwd=home,
        env=os.environ
        | {
            "PATH": programs,
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
        },
        check=True,
        capture_output=True,
        timeout=300,
    )
    return directory


@contextmanager
def formgrader_hub(directory: Path, course: Path, *, more: str = "") -> Iterator[RealHub]:
    """A hub with a grader, an instructor and a student of the course.

    ``more`` are further lines of the course in the courses file.
    """
    courses = directory / "courses.toml"
    courses.write_text(
        f'[[course]]\nid = "{COURSE}"\ntitle = "Sums for all"\n'
        f'directory = "{course}"\ninstructors = ["instructors"]\nlab_directory = "courses/sums"\n'
        + more
    )
    options = {
        "courses": str(courses),
        "db_url": f"sqlite:///{directory}/audit.sqlite",
        "stats_url": "stats/",
        "environment": {"HOME": str(course.parent / "home")},
    }
    config = (
        "from services.declare import declare\n"
        f"declare(c, formgrader_proxy=__import__('json').loads({json.dumps(options)!r}))\n"
    )
    groups = {
        f"formgrade-{COURSE}": [GRADER],
        "instructors": [INSTRUCTOR],
        f"nbgrader-{COURSE}": [STUDENT],
    }
    with RealHub(directory, extra_config=config, groups=groups) as hub:
        yield hub
