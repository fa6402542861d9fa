"""The services of the demo: their options for ``declare``, their pages and their health checks."""

from pathlib import Path
from typing import Any

from examples.demo.people import COURSE, INSTRUCTORS

HERE = Path(__file__).parent
#: The path of each service's pages, by description.
PAGES = {
    "Your servers, and when they stop": "services/cull/",
    "Activity statistics": "services/stats/",
    "Grading": "services/formgrader/",
}


def course_directory(state: Path) -> Path:
    """Return the directory of the demo's nbgrader course."""
    return state / COURSE


def courses_file(state: Path) -> Path:
    """Return the formgrader service's list of courses."""
    return state / "courses.toml"


def service_options(state: Path) -> dict[str, dict[str, Any]]:
    """Return the arguments for services.declare.declare; ``state`` contains the databases.

    The times are short, so that users of the demo can see servers stop; a real hub uses hours.
    """
    return {
        "cull": {
            "timeout": 180,
            "cull_every": 15,
            "settle": 0,
            "policy": HERE / "cull-policy.toml",
            "db_url": f"sqlite:///{state / 'cull.sqlite'}",
        },
        "stats": {
            "interval": 30,
            "full_interval": 300,
            "db_url": f"sqlite:///{state / 'stats.sqlite'}",
        },
        "formgrader_proxy": {
            "courses": courses_file(state),
            "db_url": f"sqlite:///{state / 'formgrader.sqlite'}",
            "instructor_groups": [INSTRUCTORS],
            "admin_users": ["admin"],
            # nbgrader stores caches and history in its home directory.
            "environment": {"HOME": str(state / "homes" / "formgrader")},
        },
    }


def health() -> dict[str, str]:
    """Return the path of each service's health check, by the path of its pages."""
    return {path.strip("/"): f"{path}health" for path in PAGES.values()}
