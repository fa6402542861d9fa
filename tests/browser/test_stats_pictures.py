"""Takes the screenshots of the statistics' pages for the documentation.

Only on request: ``SCREENSHOTS=docs/images pytest tests/browser/test_stats_pictures.py``.
"""

import os
from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_cull_pictures import keep
from tests.browser.test_stats import STATS, fill, ready, stats_config
from tests.integration.realhub import RealHub

DIRECTORY = os.environ.get("SCREENSHOTS", "")


@pytest.mark.skipif(not DIRECTORY, reason="takes screenshots only with SCREENSHOTS=docs/images")
async def test_screenshots(visit: Visit, tmp_path: Path) -> None:
    """The overview of the hub, and a user's timeline in the dark theme."""
    database = tmp_path / "stats.sqlite"
    await fill(database)
    wide = {"viewport": {"width": 1200, "height": 800}}
    with RealHub(tmp_path / "hub", extra_config=stats_config(database)) as hub:
        page = await visit(hub, hub.admin, STATS + "?since=60d", **wide)
        await ready(page)
        await keep(page, "stats-overview")
        page = await visit(
            hub, hub.admin, STATS + "person?user=made-up-0007", color_scheme="dark", **wide
        )
        await ready(page)
        await keep(page, "stats-person-dark")
