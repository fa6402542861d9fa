"""A service behind sign-in, for the tests of sign-in and of the web application."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.site import Site, site


@pytest.fixture
async def cull() -> AsyncIterator[Site]:
    """A service behind sign-in, with its fake Hub."""
    async with site() as made:
        yield made
