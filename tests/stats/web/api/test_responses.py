"""The JSON API: the numbers it returns."""

from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from services.stats.days import By, periods
from services.stats.query.access import WholeHub
from services.stats.query.people import PAGE_SIZE
from services.stats.records import Changes, Person
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import ALL, at, day
from tests.stats.web.api.client import ABOUT_WHOM, ODD_NAMES, add_people, ask
from tests.stats.web.site import StatsSite, stats_site


async def test_summary_by_week(site: StatsSite) -> None:
    """Weeks and total have the numbers that can be counted by hand."""
    status, body = await ask(site, "root", "summary?since=2026-02-23&until=2026-03-08&by=week")
    assert status == 200
    assert [(one["first"], one["last"]) for one in body["periods"]] == [
        ("2026-02-23", "2026-03-01"),
        ("2026-03-02", "2026-03-08"),
    ]
    week = body["periods"][1]
    assert {key: week[key] for key in ("active_users", "sessions", "active_hours")} == {
        "active_users": 1,
        "sessions": 2,
        "active_hours": 2.0,
    }
    assert (week["idle_hours"], week["server_hours"], week["after_hours"]) == (3.0, 5.0, 3.0)
    assert (week["median_minutes"], week["p90_minutes"], week["p99_minutes"]) == (120, 180, 180)
    assert body["total"]["sessions"] == 2
    assert (body["first"], body["last"], body["timezone"]) == ("2026-02-23", "2026-03-08", "UTC")


async def test_daily_summaries_match_the_report(site: StatsSite, store: Store) -> None:
    """Summaries made from the rows of days equal those queried for each day."""
    _, body = await ask(site, "root", f"summary?{ALL}")
    rows = await Queries(store).summaries(WholeHub(), periods(day(-9), day(7), By.DAY))
    assert [one["active_users"] for one in body["periods"]] == [row.active_users for row in rows]
    assert [one["sessions"] for one in body["periods"]] == [row.sessions for row in rows]
    assert [one["observed_percent"] for one in body["periods"]] == [
        row.observed_percent for row in rows
    ]


async def test_gap_is_null_and_not_zero(site: StatsSite) -> None:
    """Thursday was not observed, which is null; Wednesday was quiet, which is zero."""
    asked = f"since={day(2)}&until={day(4)}"
    _, body = await ask(site, "root", f"days?{asked}")
    wednesday, thursday, friday = body["days"]
    assert (wednesday["active"], wednesday["active_seconds"]) == (0, 0)
    numbers = set(thursday) - {"day", "observed_seconds"}
    assert {thursday[key] for key in numbers} == {None}
    assert (thursday["day"], thursday["observed_seconds"]) == ("2026-03-05", 0)
    assert friday["active"] == 0
    _, summary = await ask(site, "root", f"summary?since={day(3)}&until={day(3)}")
    assert set(summary["total"].values()) - {"2026-03-05", 0.0} == {None}
    _, week = await ask(site, "root", f"week-by-hour?since={day(2)}&until={day(3)}")
    assert week["users"][2] == [0.0] * 24
    assert week["users"][3] == [None] * 24
    _, lengths = await ask(site, "root", f"session-lengths?since={day(3)}&until={day(3)}")
    assert (lengths["sessions"], lengths["classes"]) == (None, [])
    _, moments = await ask(site, "root", f"concurrency?{asked}&points=72")
    known = {one["time"]: one["servers"] for one in moments["moments"]}
    assert known["2026-03-05T12:00:00Z"] is None
    assert known["2026-03-06T12:00:00Z"] == 1
    _, gaps = await ask(site, "ana", f"gaps?{ALL}")
    assert gaps["gaps"] == [{"start": "2026-03-05T00:00:00Z", "end": "2026-03-06T00:00:00Z"}]


async def test_session_lengths(site: StatsSite) -> None:
    """Every session that ended is in one bin."""
    _, body = await ask(site, "root", f"session-lengths?{ALL}")
    assert body["sessions"] == sum(one["sessions"] for one in body["classes"]) == 4
    two_hours = [one for one in body["classes"] if one["from_minutes"] == 120]
    assert two_hours == [{"from_minutes": 120, "below_minutes": 240, "sessions": 4}]
    assert body["classes"][0]["from_minutes"] == 0
    assert body["classes"][-1]["below_minutes"] is None


async def test_timeline(site: StatsSite) -> None:
    """A timeline has sessions, work and gaps; by default it is the viewer's own."""
    _, own = await ask(site, "ana", f"timeline?{ALL}")
    assert own == (await ask(site, "ana", f"timeline?user=ana&{ALL}"))[1]
    assert (own["user"], own["deleted"]) == ("ana", False)
    assert own["sessions"][0] == {
        "server": "",
        "profile": "gpu",
        "started": "2026-03-02T10:00:00Z",
        "last_activity": "2026-03-02T11:00:00Z",
        "ended": "2026-03-02T12:00:00Z",
    }
    assert own["work"][0] == {"start": "2026-03-02T10:00:00Z", "end": "2026-03-02T11:00:00Z"}
    _, berlin = await ask(site, "ana", f"timeline?{ALL}&timezone=Europe/Berlin")
    assert berlin["work"][0]["start"] == "2026-03-02T11:00:00+01:00"
    assert (await ask(site, "bot", f"timeline?{ALL}", service=True))[0] == 400


async def test_people_are_searched_sorted_and_paged(site: StatsSite, store: Store) -> None:
    """The table is searched, sorted and paged; a page beyond the last is the last."""
    changes = Changes()
    for number in range(100, 100 + PAGE_SIZE):
        changes.people[number] = Person(number, f"many{number}", at(-30), at(-9))
    await store.write(changes, leader=await store.take_leadership())
    _, body = await ask(site, "root", f"people?sort=-active_hours&{ALL}")
    assert body["people"][0]["active_seconds"] == 7200
    assert body["total"] == PAGE_SIZE + len(ODD_NAMES) + 4
    assert (len(body["people"]), body["page"], body["pages"]) == (PAGE_SIZE, 1, 2)
    _, last = await ask(site, "root", f"people?page=99&{ALL}")
    assert (last["page"], len(last["people"])) == (2, len(ODD_NAMES) + 4)
    _, found = await ask(site, "root", f"people?q=MANY1&{ALL}")
    assert found["total"] == PAGE_SIZE


async def test_inactive(site: StatsSite) -> None:
    """Members inactive since Wednesday are listed with their last active day."""
    status, body = await ask(site, "prof", f"inactive?group=nbgrader-x&since={day(2)}")
    assert status == 200
    assert body["people"] == [
        {
            "name": "ana",
            "last_active": "2026-03-03",
            "last_present": "2026-03-03",
            "days_active": 2,
            "excluded": False,
        },
        {"name": "eva", "last_active": None, "last_present": None, "days_active": 0}
        | {"excluded": False},
    ]
    _, back = await ask(site, "prof", "inactive?group=nbgrader-x&since=6d")  # to Monday
    assert (back["since"], back["total"]) == ("2026-03-04", 2)
    status, refused = await ask(site, "prof", "inactive?group=nbgrader-x")
    assert status == 400
    assert refused["problems"][0].startswith("since: write a day")


async def test_groups(site: StatsSite) -> None:
    """Administrators get all groups, instructors their course, students none."""
    _, all_of_them = await ask(site, "root", "groups")
    assert [one["name"] for one in all_of_them["groups"]] == ["nbgrader-x", "nbgrader-y"]
    assert (await ask(site, "root", "groups?q=-Y"))[1]["total"] == 1
    assert [one["name"] for one in (await ask(site, "prof", "groups"))[1]["groups"]] == [
        "nbgrader-x"
    ]
    assert (await ask(site, "ana", "groups"))[1]["groups"] == []


async def test_about(site: StatsSite) -> None:
    """The response has the viewer's access and the time with records."""
    _, root = await ask(site, "root", "about")
    assert (root["user"], root["whole_hub"], root["groups"]) == ("root", True, [])
    assert (root["first_day"], root["last_day"]) == ("2026-02-21", "2026-03-09")
    assert (root["last_poll"], root["made_up"]) == ("2026-03-09T16:00:00Z", False)
    _, prof = await ask(site, "prof", "about")
    assert (prof["whole_hub"], prof["groups"]) == (False, ["nbgrader-x"])
    _, bot = await ask(site, "ana", "about", service=True)
    assert (bot["user"], bot["groups"]) == ("", [])


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_any_user_name_can_be_requested(site: StatsSite, name: str) -> None:
    """A name with special characters finds exactly that user."""
    status, body = await ask(site, name, f"people?user={quote(name, safe='')}&{ALL}")
    assert status == 200
    assert [one["name"] for one in body["people"]] == [name]


async def test_pruned_days_are_not_gaps(site: StatsSite, store: Store) -> None:
    """Days without raw records keep their totals; gaps begin where raw records do."""
    await store.prune(at(2))
    _, about = await ask(site, "root", "about")
    assert about["timelines_from"] == "2026-03-04"
    _, gaps = await ask(site, "root", f"gaps?{ALL}")
    assert gaps["first"] == "2026-03-04"
    assert [gap["start"] for gap in gaps["gaps"]] == ["2026-03-05T00:00:00Z"]
    _, days = await ask(site, "root", f"days?{ALL}")
    assert {one["day"]: one["active"] for one in days["days"]}["2026-03-02"] == 1


async def test_before_the_first_poll(tmp_path: Path) -> None:
    """An empty database gives empty responses and knows no user."""
    store = await Store.open(f"sqlite:///{tmp_path / 'new.sqlite'}", ZoneInfo("UTC"))
    async with stats_site(Queries(store)) as site:
        add_people(site)
        for path in ABOUT_WHOM:
            status, body = await ask(site, "root", path)
            assert status == 200
            assert body.get("first") is None
        assert (await ask(site, "root", "about"))[1]["last_poll"] is None
        assert (await ask(site, "root", "gaps"))[1]["gaps"] == []
        assert (await ask(site, "ana", "timeline"))[0] == 404
    await store.close()
