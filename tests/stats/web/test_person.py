"""One user's page."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.pseudonyms import Pseudonyms
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import ALL, course
from tests.stats.web.site import PREFIX, StatsSite, add_people, get, rows, stats_site, text


async def test_student_sees_only_their_own_activity(site: StatsSite) -> None:
    """There is no menu of users and no group field, and CSV has the student's own numbers."""
    page = await get(site, "ana", "?" + ALL)
    assert "Your activity" in text(page)
    assert "You have not worked this week so far." in text(page)
    assert "Last week you worked at least 2 h on 2 days. Not observed: 1 day." in text(page)
    assert f'href="{PREFIX}users"' not in page.text
    assert '<select name="group"' not in page.text
    active = rows(await get(site, "ana", "csv/active.csv?" + ALL))
    assert sum(int(row["active_users"] or 0) for row in active) == 2


async def test_calendar(site: StatsSite) -> None:
    """Each day has its time as text; Thursday was not observed, and Monday is not over."""
    page = await get(site, "ana", "")
    shown = text(page)
    assert "Mo Tu We Th Fr Sa Su" in shown
    assert "2 1 h 3 1 h 4 no activity 5 not observed 6 no activity" in shown
    assert "9 no activity , today, so far" in shown
    assert 'class="unobserved"><time class="date" datetime="2026-03-05">' in page.text
    assert "February 2026" in shown
    earlier = text(await get(site, "ana", "?since=2026-02-22&until=2026-02-24"))
    assert "22 no activity 23 no activity 24 no activity" in earlier
    assert "March 2026" not in earlier


@pytest.mark.parametrize("path", ["", "person", "person?user=ana"])
async def test_students_page_has_nothing_else(site: StatsSite, path: str) -> None:
    """No charts, key numbers, form or tables of numbers: the week and the calendar."""
    page = await get(site, "ana", path)
    for part in ("data-draw", "facts-row", '<form method="get"', "<details", "<svg"):
        assert part not in page.text
    assert page.text.count("<table") == 2


async def test_new_student(site: StatsSite) -> None:
    """A user without any records, or without work, reads that nothing is recorded yet."""
    for user in ("new", "eva"):
        page = text(await get(site, user, ""))
        assert "Nothing recorded yet." in page
        assert "worked" in page
        assert "h on" not in page


async def test_instructor_sees_details_of_a_student(site: StatsSite) -> None:
    """An instructor's view of one person keeps timeline, key numbers and charts."""
    page = await get(site, "prof", "person?user=ana&" + ALL)
    assert "Active 2 h" in text(page)
    assert "<svg" in page.text
    assert "data-draw" in page.text


async def test_a_persons_map_has_minutes(site: StatsSite) -> None:
    """Ana worked from ten to eleven on one of three Mondays: 20 minutes on average."""
    address = f"csv/week.csv?user=ana&{ALL}"
    week = rows(await get(site, "root", address))
    assert (week[0]["weekday"], week[0]["10"], week[0]["11"]) == ("Monday", "20", "0")
    assert week[3]["10"] == "0"  # of the two Thursdays, one was observed
    page = text(await get(site, "root", f"person?user=ana&{ALL}"))
    assert "Mean active minutes by weekday and hour." in page
    # The grader of a course that Ana left on Monday noon sees two of the three Mondays.
    seen = rows(await get(site, "other", address))
    assert (seen[0]["10"], seen[1]["22"]) == ("30", "0")


async def test_grader_sees_students_only_while_in_the_course(site: StatsSite) -> None:
    """Ana left the other course on Monday noon; its grader does not see Tuesday's session."""
    mine = rows(await get(site, "other", "csv/timeline.csv?user=ana&" + ALL))
    assert [row["started"] for row in mine] == ["2026-03-02T10:00:00+00:00"]
    everything = rows(await get(site, "prof", "csv/timeline.csv?user=ana&" + ALL))
    assert len(everything) == 2


async def test_timeline(site: StatsSite) -> None:
    """Sessions are bars and table rows, in the requested time zone, with profile and server."""
    page = await get(site, "root", f"person?user=ana&{ALL}&timezone=Europe/Berlin")
    assert page.text.count('class="running"') >= 3  # the key, Monday, Tuesday and its night
    assert '<time datetime="2026-03-02T10:00:00Z">2026-03-02 11:00</time>' in page.text
    found = rows(await get(site, "root", f"csv/timeline.csv?user=ana&{ALL}"))
    assert [(row["profile"], row["minutes"], row["active_minutes"]) for row in found] == [
        ("", "180", "60"),
        ("gpu", "120", "60"),
    ]
    ben = rows(await get(site, "root", f"csv/timeline.csv?user=ben&{ALL}"))
    assert (ben[0]["server"], ben[0]["ended"]) == ("gpu", "")


async def test_pseudonyms(tmp_path: Path) -> None:
    """Administrators find users by pseudonym; users find themselves by their own name."""
    secret = Pseudonyms(b"0123456789abcdef")
    changes = course()
    changes.people = {
        i: person._replace(name=secret.name(person.name)) for i, person in changes.people.items()
    }
    store = await Store.open(f"sqlite:///{tmp_path / 'hashed.sqlite'}", ZoneInfo("UTC"))
    await store.write(changes, leader=await store.take_leadership())
    async with stats_site(Queries(store, name_of=secret.name)) as made:
        add_people(made)
        made.add_user(secret.name("ana"))
        assert len(rows(await get(made, "ana", f"csv/timeline.csv?{ALL}"))) == 2
        hashed = f"csv/timeline.csv?user={secret.name('ana')}&{ALL}"
        assert len(rows(await get(made, "root", hashed))) == 2
        assert rows(await get(made, secret.name("ana"), hashed)) == []
    await store.close()
