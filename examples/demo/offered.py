"""Which of our services the demo declares, and how: the one place that knows."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from examples.demo.people import INSTRUCTORS

HERE = Path(__file__).parent


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
            "db_url": f"sqlite:///{state / 'stats.sqlite'}",
        },
        "formgrader_proxy": {
            "config": HERE / "formgrader_config.py",
            "admin_groups": [INSTRUCTORS],
        },
    }
    return {
        name: options
        for name, options in everything.items()
        if find_spec(f"services.{name}") and find_spec(f"services.{name}.__main__")
    }


def pages(state: Path) -> dict[str, str]:
    """The path below the hub's address of each offered service's pages, by what it is for."""
    names = {
        "cull": ("Your servers, and when they stop", "services/cull/"),
        "stats": ("Activity statistics", "services/stats/"),
        "formgrader_proxy": ("Grading", "services/formgrader/"),
    }
    return dict(names[name] for name in offered(state))
