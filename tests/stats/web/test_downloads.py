"""CSV files."""

from tests.stats.course import ALL
from tests.stats.web.site import FIGURES, FORMULA, PREFIX, StatsSite, get, rows


async def test_csv_has_no_formulas(site: StatsSite) -> None:
    """A name that looks like a formula is quoted for spreadsheets."""
    names = [row["name"] for row in rows(await get(site, "root", "csv/users.csv"))]
    assert "'" + FORMULA in names
    assert not [name for name in names if name.startswith(("=", "+", "-", "@"))]


async def test_running_servers_over_time_have_gaps(site: StatsSite) -> None:
    """For a few days, running servers are listed over time, in the requested time zone."""
    path = "csv/servers.csv?since=2026-03-04&until=2026-03-06&timezone=Asia/Kolkata"
    moments = {row["time"]: row["servers"] for row in rows(await get(site, "root", path))}
    assert all(time.endswith("+05:30") for time in moments)
    assert moments["2026-03-04T05:30:00+05:30"] == "0"
    inside = {n for time, n in moments.items() if "2026-03-05T10" < time < "2026-03-06T05"}
    assert inside == {""}


async def test_every_figure_has_a_csv_file(site: StatsSite) -> None:
    """Each figure links a CSV file with the same range and periods."""
    browser = await site.browser("root")
    page = await browser.go(f"{PREFIX}?{ALL}&by=week")
    for key in FIGURES:
        assert f'href="{PREFIX}csv/{key}.csv?since=2026-02-21&amp;until=2026-03-09' in page.text
        assert rows(await browser.go(f"{PREFIX}csv/{key}.csv?{ALL}&by=week"))
    weeks = rows(await browser.go(f"{PREFIX}csv/active.csv?{ALL}&by=week"))
    assert [row["active_users"] for row in weeks] == ["1", "0", "1", "1"]
    hours = rows(await browser.go(f"{PREFIX}csv/hours.csv?{ALL}&by=month"))
    assert [row["first"] for row in hours] == ["2026-02-21", "2026-03-01"]
    assert hours[1]["active_hours"] == "4.0"


async def test_hours_are_decimal(site: StatsSite) -> None:
    """CSV has numbers for spreadsheets, where the page has durations for people."""
    users = {row["name"]: row for row in rows(await get(site, "root", f"csv/users.csv?{ALL}"))}
    assert (users["ana"]["active_hours"], users["ana"]["idle_hours"]) == ("2.0", "3.0")
