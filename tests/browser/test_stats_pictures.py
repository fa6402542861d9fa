"""Takes the screenshots of the statistics' pages for the documentation.

Only on request: ``SCREENSHOTS=docs/images pytest tests/browser/test_stats_pictures.py``, which also
writes docs/stats-pages.md. To add a page, add a line to PICTURES.
"""

import base64
import os
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Browser, Page

from services.stats.commands.semester import Semester, semester_changes
from tests.browser.conftest import Visit
from tests.browser.test_stats import INSTRUCTOR, STATS, STUDENT, demo, fill, ready, stats_config
from tests.integration.realhub import RealHub
from tests.paths import ROOT
from tests.stats.prometheus.fake import GIB, FakePrometheus, Running

DIRECTORY = os.environ.get("SCREENSHOTS", "")


class Picture(NamedTuple):
    """A page as a user of a role sees it. Its files are named PAGE-ROLE, PAGE-ROLE-dark, ..."""

    page: str
    role: str
    address: str


PICTURES = (
    Picture("overview", "admin", ""),
    Picture("overview", "instructor", ""),
    Picture("users", "admin", "users?sort=-active_hours"),
    Picture("users", "instructor", "users?sort=-active_hours"),
    Picture("inactive", "admin", "inactive"),
    Picture("inactive", "instructor", "inactive"),
    Picture("dropped-off", "admin", "dropped-off"),
    Picture("dropped-off", "instructor", "dropped-off"),
    Picture("distribution", "admin", "distribution"),
    Picture("distribution", "instructor", "distribution"),
    Picture("servers", "admin", "servers"),
    Picture("servers", "instructor", "servers"),
    Picture("resources", "admin", "resources?since=7d"),
    Picture("resources", "instructor", "resources?since=7d"),
    Picture("meeting", "admin", "meeting"),
    Picture("meeting", "instructor", "meeting"),
    Picture("person", "admin", f"person?user={STUDENT}"),
    Picture("person", "instructor", f"person?user={STUDENT}"),
    Picture("own", "student", ""),
)
VARIANTS: dict[str, dict[str, Any]] = {
    "": {"viewport": {"width": 960, "height": 800}},
    "-dark": {"viewport": {"width": 960, "height": 800}, "color_scheme": "dark"},
    "-phone": {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True},
}
HEIGHT = 900
"""What is further down a page is cut off."""

MOST_BYTES = 1_500_000
"""Of all pictures together."""

WEBP = """
async ([png, quality]) => {
    const picture = new Image();
    picture.src = `data:image/png;base64,${png}`;
    await picture.decode();
    const canvas = document.createElement("canvas");
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext("2d").drawImage(picture, 0, 0);
    return canvas.toDataURL("image/webp", quality).split(",")[1];
}
"""
"""The browser writes the smaller format, so that no other program is needed."""


@pytest.mark.skipif(not DIRECTORY, reason="takes screenshots only with SCREENSHOTS=docs/images")
async def test_screenshots(visit: Visit, chromium: Browser, tmp_path: Path) -> None:
    """Each page as each role sees it, in the light and the dark theme and on a phone."""
    database = tmp_path / "stats.sqlite"
    await fill(database)
    converter = await chromium.new_page()
    async with FakePrometheus(running(demo(datetime.now(UTC)))) as prometheus:
        config = stats_config(database, prometheus_url=prometheus.url, **PRICES)
        with RealHub(tmp_path / "hub", extra_config=config) as hub:
            users = {"admin": hub.admin, "instructor": INSTRUCTOR, "student": STUDENT}
            for (variant, options), (role, user) in product(VARIANTS.items(), users.items()):
                page = await visit(hub, user, STATS, **options)
                for picture in PICTURES:
                    if picture.role == role:
                        await take(page, hub, picture, variant, converter)
    (ROOT / "docs" / "stats-pages.md").write_text(documentation(), "utf-8")


PRICES = {"price_memory_gb_hour": 0.005, "price_cpu_hour": 0.03, "currency": "EUR"}


def running(semester: Semester) -> list[Running]:
    """What Prometheus would know of the semester's servers."""
    names: dict[int, str] = {}
    found = []
    for changes in semester_changes(semester):
        names |= {person.id: person.name for person in changes.newcomers}
        for session in changes.sessions.values():
            large = session.profile_id or 1
            found.append(
                Running(
                    f"jupyter-{names[session.user_id]}",
                    session.started,
                    session.ended or session.last_activity,
                    memory=GIB * (0.4 + session.id % 7 / 10) * large,
                    cores=0.1 + session.id % 5 / 10,
                    memory_guarantee=2.0 * GIB * large,
                    cpu_guarantee=0.5,
                )
            )
    return found


async def take(page: Page, hub: RealHub, picture: Picture, variant: str, converter: Page) -> None:
    """Open the page and write its picture."""
    answer = await page.goto(f"{hub.url}{STATS}{picture.address}")
    assert answer is not None
    assert answer.status == 200, picture
    await ready(page)
    size = page.viewport_size
    assert size is not None
    height = min(HEIGHT, await page.evaluate("document.scrollingElement.scrollHeight"))
    await page.set_viewport_size({"width": size["width"], "height": height})
    png = await page.screenshot(scale="css")
    await page.set_viewport_size(size)
    data = await converter.evaluate(WEBP, [base64.b64encode(png).decode(), 0.3])
    path = ROOT / DIRECTORY / "stats" / f"{picture.page}-{picture.role}{variant}.webp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(data))


INTRODUCTION = """\
# The statistics' pages

Pictures of every page, for each role, with demo data: in the light and the dark theme, and on a
phone. Pages are cut off at the bottom. [stats.md](stats.md#the-dashboard) explains them. This
command takes the pictures and writes this page:

    SCREENSHOTS=docs/images python -m pytest tests/browser/test_stats_pictures.py
"""
SEES = {
    "admin": "An administrator sees the whole hub, every group and every user.",
    "instructor": "An instructor sees the students of their courses, each for the days on which"
    " they were members.",
    "student": "A student sees their own activity, and nothing else.",
}


def documentation() -> str:
    """The text of docs/stats-pages.md."""
    parts = [INTRODUCTION]
    for role, sees in SEES.items():
        parts.append(f"## {sees.partition(' sees ')[0]}\n\n{sees}\n")
        for one in (picture for picture in PICTURES if picture.role == role):
            title = one.page.replace("-", " ").capitalize()
            names = zip(VARIANTS, ("light", "dark", "phone"), strict=True)
            cells = [
                f"![{title}, {role}, {name}](images/stats/{one.page}-{role}{variant}.webp)"
                for variant, name in names
            ]
            head = "| light | dark | phone |\n| --- | --- | --- |"
            parts.append(f"### {title} ({role})\n\n{head}\n| {' | '.join(cells)} |\n")
    return "\n".join(parts)


def test_the_documentation_shows_every_picture() -> None:
    """docs/stats-pages.md is what PICTURES says, and its pictures exist; there are no others."""
    assert (ROOT / "docs" / "stats-pages.md").read_text("utf-8") == documentation()
    names = {f"{one.page}-{one.role}{variant}.webp" for one in PICTURES for variant in VARIANTS}
    stored = list((ROOT / "docs" / "images" / "stats").glob("*.webp"))
    assert {path.name for path in stored} == names
    assert sum(path.stat().st_size for path in stored) < MOST_BYTES
