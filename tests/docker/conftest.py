"""Provide one Docker engine for all tests of docker/; skip them if it cannot start."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.engine import Engine, EngineMissingError

_STARTED = time.monotonic()

#: The order of the test files. The most important ones run first in case time runs out:
#: single-machine tests, then multi-machine tests.
ORDER = (
    "engine",
    "compose",
    "courses",
    "images",
    "monitoring",
    "tls",
    "nfs",
    "stack",
    "playbook",
    "losses",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests without an engine first, and the slowest last."""

    def place(item: pytest.Item) -> int:
        name = Path(item.path).stem.removeprefix("test_")
        return ORDER.index(name) + 1 if name in ORDER else 0

    items.sort(key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the remaining tests after CLASSROOM_DOCKER_MINUTES minutes, if that is set."""
    minutes = os.environ.get("CLASSROOM_DOCKER_MINUTES", "")
    if minutes and time.monotonic() - _STARTED > 60 * float(minutes):
        reason = f"the time limit of CLASSROOM_DOCKER_MINUTES={minutes} was reached"
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail(f"REQUIRE_DOCKER=1, but {reason}")
        pytest.skip(f"NO TIME: {reason}")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine with the base image; without one, tests skip, or fail if REQUIRE_DOCKER=1.

    Set CLASSROOM_DOCKER_ENGINE to a number from 1 to 63 to run a second test session in parallel.
    """
    try:
        with Engine(int(os.environ.get("CLASSROOM_DOCKER_ENGINE", "0"))) as running:
            running.base()
            yield running
    except EngineMissingError as error:
        reason = str(error).splitlines()[0]
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail(f"REQUIRE_DOCKER=1, but {reason}")
        pytest.skip(f"NO DOCKER: {reason}")
