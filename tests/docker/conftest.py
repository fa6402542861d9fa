"""One engine for all tests of docker/; skipped with a reason where there can be none."""

import os
from collections.abc import Iterator

import pytest

from tests.docker.engine import Engine, EngineMissingError


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
