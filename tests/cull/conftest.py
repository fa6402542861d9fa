"""The site that most tests of the pages and the API share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cull.web.site import CullSite, cull_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[CullSite]:
    """A user whose server has been idle for a minute, another user, and a Hub administrator."""
    async with cull_site(tmp_path) as made:
        made.add_user("ada", "course")
        made.add_user("bob")
        made.add_user("root", admin=True)
        made.hub.add_server("ada", idle=60)
        yield made
