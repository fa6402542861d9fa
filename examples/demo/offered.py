"""Which of our services the demo declares, and how: the one place that knows."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from examples.demo.people import COURSE, INSTRUCTORS

HERE = Path(__file__).parent
PAGES = {
    "cull": ("Your servers, and when they stop", "services/cull/"),
    "stats": ("Activity statistics", "services/stats/"),
    "formgrader_proxy": ("Grading", "services/formgrader/"),
}


def course_directory(state: Path) -> Path:
    """Where the demo's nbgrader course lies."""
    return state / COURSE


def courses_file(state: Path) -> Path:
    """The formgrader's list of courses."""
    return state / "courses.toml"


def offered(state: Path) -> dict[str, dict[str, Any]]:
    """The arguments for services.declare.declare; ``state`` is where databases are kept.

    Short times, so that a visitor sees something happen; a real hub waits for hours.
    """
    everything: dict[str, dict[str, Any]] = {
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
    return {
        name: options | {"display": has_pages(name)}
        for name, options in everything.items()
        if is_there(name)
    }


def is_there(service: str) -> bool:
    """Whether this checkout can run the service."""
    return bool(find_spec(f"services.{service}") and find_spec(f"services.{service}.__main__"))


def has_pages(service: str) -> bool:
    """Whether this checkout has the service's pages."""
    return find_spec(f"services.{service}.views") is not None


def pages() -> dict[str, str]:
    """The paths of the services' pages below the hub's address, by what they are for."""
    return dict(PAGES[name] for name in PAGES if is_there(name) and has_pages(name))


def health() -> dict[str, str]:
    """The paths below the hub's address that tell of each service whether it is up."""
    paths = [path for name, (_, path) in PAGES.items() if is_there(name)]
    return {path.strip("/"): f"{path}health" for path in paths}
