"""One user's page."""

from pathlib import Path
from zoneinfo import ZoneInfo

from services.stats.pseudonyms import Pseudonyms
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import ALL, course
from tests.stats.web.site import PREFIX, StatsSite, add_people, get, rows, stats_site, text


async def test_student_sees_only_their_own_activity(site: StatsSite) -> None:
    """There is no menu of users and no group field, and CSV has the student's own numbers."""
    page = await get(site, "ana", "?" + ALL)
    assert "Your activity" in text(page)
    assert "Active 2 h" in text(page)
    assert f'href="{PREFIX}users"' not in page.text
    assert '<select name="group"' not in page.text
    active = rows(await get(site, "ana", "csv/active.csv?" + ALL))
    assert sum(int(row["active_users"] or 0) for row in active) == 2


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
