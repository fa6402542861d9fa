"""The overview page."""

import re

from services.stats.web.presentation import UNKNOWN
from tests.stats.course import ALL
from tests.stats.web.site import StatsSite, get, rows, text


async def test_a_gap_is_a_gap(site: StatsSite) -> None:
    """Thursday, when nobody looked, is a dash and not zero; in CSV it is empty."""
    page = await get(site, "root", f"?{ALL}&group=nbgrader-x")
    day = rows(await get(site, "root", f"csv/active.csv?{ALL}"))
    by_day = {row["first"]: row for row in day}
    assert len(day) == 17
    assert by_day["2026-03-05"]["active_users"] == ""
    assert by_day["2026-03-05"]["observed_percent"] == "0.0"
    assert by_day["2026-03-04"]["active_users"] == "0"
    assert by_day["2026-03-02"]["active_users"] == "1"
    line = re.search(r'<time datetime="2026-03-05">.*?</tr>', page.text)
    assert line is not None
    assert f'<td class="number">{UNKNOWN}</td>' in line[0]
    assert "Grey: not observed (1 of 17)" in text(page)


async def test_the_week_by_hour(site: StatsSite) -> None:
    """Ana on one Monday at ten, Ben on the next, nobody on the one before."""
    week = rows(await get(site, "root", f"csv/week.csv?{ALL}"))
    assert week[0]["weekday"] == "Monday"
    assert week[0]["10"] == "0.67"  # of three Mondays that were seen
    page = await get(site, "root", f"?{ALL}")
    assert 'class="shade-8"' in page.text
