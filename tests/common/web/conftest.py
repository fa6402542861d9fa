"""The service behind sign-in that some tests visit."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.site import Site, site


@pytest.fixture
async def cull() -> AsyncIterator[Site]:
    """A service behind sign-in, with its fake Hub."""
    async with site() as made:
        yield made
