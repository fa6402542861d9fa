"""How the demo declares the services, and where their pages are."""

from pathlib import Path
from typing import Any

from examples.demo.people import COURSE, INSTRUCTORS

HERE = Path(__file__).parent
PAGES = {
    "Your servers, and when they stop": "services/cull/",
    "Statistics": "services/stats/",
    "Grading": "services/formgrader/",
}
"""The paths of the services' pages below the hub's address, by what they are for."""


def course_directory(state: Path) -> Path:
    """The directory of the demo's nbgrader course."""
    return state / COURSE


def courses_file(state: Path) -> Path:
    """The formgrader proxy's courses file."""
    return state / "courses.toml"


def offered(state: Path) -> dict[str, dict[str, Any]]:
    """The arguments for services.declare.declare; ``state`` is where databases are kept.

    Times are short, so that a visitor sees something happen; a real hub waits for hours.
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
            # nbgrader keeps caches and histories in its home.
            "environment": {"HOME": str(state / "homes" / "formgrader")},
        },
    }


def health() -> dict[str, str]:
    """The path of each service's health check below the hub's address, by service."""
    return {path.strip("/"): f"{path}health" for path in PAGES.values()}
