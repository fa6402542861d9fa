"""One engine for all tests of docker/; skipped with a reason where there can be none."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.engine import Engine, EngineMissingError

_BEGUN = time.monotonic()

#: Where time is short the first are the ones to have: what one machine needs, then many.
ORDER = (
    "engine",
    "compose",
    "kubernetes_images",
    "monitoring",
    "tls",
    "nfs",
    "swarm",
    "ansible",
    "ansible_losses",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what needs no engine; what costs most comes last."""

    def place(item: pytest.Item) -> int:
        name = Path(item.path).stem.removeprefix("test_")
        return ORDER.index(name) + 1 if name in ORDER else 0

    items.sort(key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no test after so many minutes as CLASSROOM_DOCKER_MINUTES has, if it has any."""
    minutes = os.environ.get("CLASSROOM_DOCKER_MINUTES", "")
    if minutes and time.monotonic() - _BEGUN > 60 * float(minutes):
        reason = f"the {minutes} minutes of CLASSROOM_DOCKER_MINUTES are over"
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail(f"REQUIRE_DOCKER=1, but {reason}")
        pytest.skip(f"NO TIME: {reason}")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine with the base image; REQUIRE_DOCKER=1 makes its absence a failure.

    CLASSROOM_DOCKER_ENGINE=1 (to 63) lets a second run of the tests go beside the first.
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
