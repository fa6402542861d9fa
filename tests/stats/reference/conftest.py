"""One event loop, fake Hub and folder for all histories of a test file: they are many."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.fakes.postgres import postgres, postgres_url
from tests.stats.reference.product import Player, player

__all__ = ["postgres", "postgres_url"]  # fixtures


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all histories."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def playing(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """A player, with its fake Hub."""
    made = player(tmp_path_factory.mktemp("histories"))
    yield runner.run(made.__aenter__())
    runner.run(made.__aexit__(None, None, None))
