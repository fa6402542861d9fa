"""Takes the screenshots of the culler's pages for the documentation.

Only on request: ``SCREENSHOTS=docs/images pytest tests/browser/test_cull_pictures.py``.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Visit, cull_config
from tests.integration.realhub import RealHub
from tests.paths import ROOT

DIRECTORY = os.environ.get("SCREENSHOTS", "")
CULL = "services/cull/"
POLICY = """
[[rule]]
name = "exam"
group = ["nbgrader-course101"]
server = ["exam*"]
action = "never"

[[rule]]
name = "course"
group = ["nbgrader-*"]
idle_timeout = "2h"
max_age = "1d"
"""
SERVERS = (
    ("ada", "", 12),
    ("ada", "exam-2", 95),
    ("grace", "", 3),
    ("katherine", "", 71),
    ("mary", "gpu", 40),
    ("zoë", "", 8),
)


@pytest.mark.skipif(not DIRECTORY, reason="takes screenshots only with SCREENSHOTS=docs/images")
async def test_take_the_screenshots(visit: Visit, tmp_path: Path) -> None:
    """A small course: some servers busy, some idle, one held, one extended."""
    policy = tmp_path / "cull.toml"
    policy.write_text(POLICY)
    config = cull_config(
        timeout=5400,
        cull_every=2,
        settle=0,
        policy=str(policy),
        db_url=f"sqlite:///{tmp_path}/cull.sqlite",
    )
    with RealHub(tmp_path / "hub", extra_config=config) as hub:
        await start_servers(hub)
        await take(hub, visit)


async def start_servers(hub: RealHub) -> None:
    """Start each server and set how long it has been idle."""
    for user, server, minutes in SERVERS:
        await hub.create_user(user, groups=["nbgrader-course101"] if user != "mary" else [])
        await hub.start_server(user, server)
        await hub.set_last_activity(user, server, datetime.now(UTC) - timedelta(minutes=minutes))


async def take(hub: RealHub, visit: Visit) -> None:
    """The user's page, also dark and on a phone, and the administrator's table."""
    wide = {"viewport": {"width": 1200, "height": 560}}
    await keep(await visit(hub, "ada", CULL, **wide), "cull-user")
    await keep(await visit(hub, "ada", CULL, color_scheme="dark", **wide), "cull-user-dark")
    phone = await visit(hub, "grace", CULL, viewport={"width": 360, "height": 640})
    await phone.get_by_role("button", name="Keep running").click()
    await phone.get_by_role("status").wait_for()
    await keep(phone, "cull-phone")

    admin = await visit(hub, hub.admin, CULL + "holds", **wide)
    await admin.get_by_label("What to hold").select_option("user")
    await admin.get_by_label("User or group").fill("katherine")
    await admin.get_by_label("Reason").fill("thesis")
    await admin.get_by_role("button", name="Add hold").click()
    await all_listed(hub, admin)
    await keep(admin, "cull-admin")


async def all_listed(hub: RealHub, page: Page) -> None:
    """Wait until a pass has seen all servers."""

    async def listed() -> bool:
        await page.goto(f"{hub.url}{CULL}servers")
        return await page.locator("tbody th").count() == len(SERVERS)

    await hub.until("a pass", listed)


async def keep(page: Page, name: str) -> None:
    """Write a screenshot of the page."""
    path = ROOT / DIRECTORY / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=path, full_page=True, scale="css")
