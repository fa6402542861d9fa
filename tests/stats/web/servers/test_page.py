"""The page about servers, and its CSV files."""

import re
from datetime import timedelta
from math import inf

import pytest

from services.stats.records import Changes, Person, Session, SpawnCounters, Spawns
from services.stats.store.store import Store
from tests.stats.course import ALL, ANA, MONDAY, X, at
from tests.stats.web.site import FORMULA, HOSTILE, PREFIX, StatsSite, get, rows, text

NAMES = ("profiles", "images", "ages", "longrunning", "forecast", "spawns", "spawnlengths")
"""The CSV files of the page."""

OF_GROUPS = NAMES[:5]


async def let_run(store: Store) -> None:
    """Ana's server has run since Sunday, with an odd profile and image; a stranger's, too."""
    changes = Changes(profiles={7: HOSTILE, 8: FORMULA}, images={7: "a\u202eb"})
    changes.people[50] = Person(50, "stranger", None, at(-9))
    changes.sessions[50] = Session(50, 50, "", 8, at(5), at(6), None)
    changes.sessions[51] = Session(51, ANA, "own", 7, at(6, 4), at(6, 5), None, image_id=7)
    changes.touch(at(5))
    await store.write(changes, leader=await store.take_leadership())


async def test_numbers_of_the_hub(site: StatsSite) -> None:
    """Key numbers, tables and explanations."""
    shown = text(await get(site, "root", f"servers?{ALL}"))
    for part in (
        "Running now 1",
        "Peak expected on 2026-03-10 0.5 (upper value: 1)",
        "The oldest has run for 5 h 30 min",
        "Servers started not readable",
        "Give the service the scope read:metrics",
        "“Now” is 2026-03-09 16:00 , the time of the last poll.",
        "Expected: the median of the peaks on the latest four observed days of the same weekday.",
        "(unknown) 13 h 4 3 43.7% 2 h 22 min 1",
        "gpu 2 h 1 1 50% 2 h 0",
        "Running for 8 hours or more None of the servers that are running now.",
    ):
        assert part in shown, shown


@pytest.mark.parametrize("path", ["servers", *(f"csv/{name}.csv" for name in NAMES)])
async def test_other_groups_look_like_unknown_ones(site: StatsSite, path: str) -> None:
    """A grader, a student or a stranger gets the same refusal whether or not a group exists."""
    for user in ("prof", "other", "ana", "new"):
        own = {"prof": "nbgrader-x", "other": "nbgrader-y"}.get(user)
        refused = []
        for group in ("nbgrader-x", "nbgrader-y", "nbgrader-zzz", "formgrade-x"):
            page = await get(site, user, f"{path}?group={group}")
            if group == own:
                wanted = 404 if "spawn" in path else 200
                assert page.status == wanted, (user, group)
            else:
                refused.append((page.status, text(page)))
        assert {status for status, _ in refused} == {403}
        assert len({message for _, message in refused}) == 1


async def test_the_page_is_not_for_students(site: StatsSite) -> None:
    """They have one page, and their own files."""
    assert (await get(site, "ana", "servers")).status == 403
    own = rows(await get(site, "ana", f"csv/profiles.csv?{ALL}"))
    assert [(row["profile"], row["sessions"]) for row in own] == [("(unknown)", "1"), ("gpu", "1")]
    assert (await get(site, "ana", "csv/forecast.csv")).status == 404
    assert (await get(site, "root", "servers?user=ana")).status == 404
    page = await get(site, "prof", "")
    assert f'href="{PREFIX}servers"' in page.text
    assert f'href="{PREFIX}servers"' not in (await get(site, "ana", "")).text


async def test_starts_are_of_the_whole_hub_only(site: StatsSite) -> None:
    """The Hub does not count whose servers they are."""
    for name in ("spawns", "spawnlengths"):
        assert (await get(site, "root", f"csv/{name}.csv?{ALL}")).status == 200
        for question in ("group=nbgrader-x", "user=ana"):
            assert (await get(site, "root", f"csv/{name}.csv?{question}")).status == 404
    assert "Starts of servers" not in text(await get(site, "root", "servers?group=nbgrader-x"))


async def test_starts_and_their_durations(site: StatsSite, store: Store) -> None:
    """On Monday and Tuesday the Hub's counters were read: the other days are unknown."""
    changes = Changes()
    lengths = {1.0: 6, 30.0: 3, 60.0: 1, inf: 0}
    for outcome, number in (("success", 10), ("failure", 2)):
        changes.spawns[at(0, 9), at(0, 10), outcome] = Spawns(
            at(0, 9), at(0, 10), outcome, number, 99.0, lengths if outcome == "success" else {}
        )
    changes.spawn_counters[at(0)] = SpawnCounters(at(0), at(2), None, {})
    await store.write(changes, leader=await store.take_leadership())
    shown = text(await get(site, "root", f"servers?{ALL}"))
    assert "Servers started 10 on 2 of 17 days" in shown
    assert "Failed to start 2 (16.7%) on 2 of 17 days" in shown
    assert "9 of 10 servers started within 30 s." in shown
    days = {row["first"]: row for row in rows(await get(site, "root", f"csv/spawns.csv?{ALL}"))}
    assert [days[f"2026-03-0{day}"]["starts"] for day in (1, 2, 3, 4)] == ["", "10", "0", ""]
    bins = rows(await get(site, "root", "csv/spawnlengths.csv?since=2026-03-02&until=2026-03-03"))
    assert [(row["seconds"], row["servers"]) for row in bins] == [
        ("up to 1 s", "6"),
        ("1 to 30 s", "3"),
        ("30 s to 1 min", "1"),
    ]


async def test_long_running_servers_are_linked(site: StatsSite, store: Store) -> None:
    """The oldest first, with hostile names as text; graders see those of their members only."""
    await let_run(store)
    page = await get(site, "root", "servers")
    shown = text(page)
    assert shown.index("stranger default =cmd") < shown.index("ana own <script>")
    assert "Running for 8 hours or more 2 of the servers" in shown
    assert f'href="{PREFIX}person?user=ana"' in page.text
    assert HOSTILE not in page.text
    grader = await get(site, "prof", "servers")
    assert "stranger" not in grader.text
    assert f'href="{PREFIX}person?group=nbgrader-x&amp;user=ana"' in grader.text or (
        f'href="{PREFIX}person?user=ana"' in grader.text
    )
    assert "stranger" not in (await get(site, "prof", "csv/longrunning.csv")).text
    (ana,) = rows(await get(site, "prof", "csv/longrunning.csv?timezone=Asia/Kolkata"))
    assert (ana["user"], ana["server"], ana["hours"]) == ("ana", "own", "36.0")
    assert ana["started"] == "2026-03-08T09:30:00+05:30"
    (formula,) = [
        row
        for row in rows(await get(site, "root", "csv/longrunning.csv"))
        if row["user"] == "stranger"
    ]
    assert formula["profile"] == "'" + FORMULA


async def test_many_long_running_servers(site: StatsSite, store: Store) -> None:
    """The page has the fifty oldest, and the file all."""
    changes = Changes()
    for number in range(100, 160):
        started = at(5) + timedelta(minutes=number)
        changes.sessions[number] = Session(number, ANA, f"s{number}", None, started, started, None)
    changes.touch(at(5))
    await store.write(changes, leader=await store.take_leadership())
    shown = text(await get(site, "root", "servers"))
    assert "60 of the servers that are running now, the 50 oldest of which are shown" in shown
    assert "s149" in shown
    assert "s150" not in shown
    assert len(rows(await get(site, "root", "csv/longrunning.csv"))) == 60


async def test_days_without_records(site: StatsSite) -> None:
    """The range is empty; what runs now, and the forecast, do not depend on it."""
    question = "since=2020-01-01&until=2020-02-01"
    shown = text(await get(site, "root", f"servers?{question}"))
    assert "There are no records of these days" in shown
    assert "Running now 1" in shown
    for name in NAMES:
        assert (await get(site, "root", f"csv/{name}.csv?{question}")).status == 200


async def test_a_group_that_was_left(site: StatsSite, store: Store) -> None:
    """What a former member runs now is not shown."""
    await let_run(store)
    changes = Changes()
    changes.left[X, ANA, at(-9)] = at(6, 23)
    await store.write(changes, leader=await store.take_leadership())
    page = await get(site, "prof", f"servers?since={MONDAY + timedelta(days=7)}")
    assert "person?user=ana" not in page.text
    assert not re.search(r">\s*own\s*<", page.text)


@pytest.mark.parametrize("name", OF_GROUPS)
async def test_every_figure_has_a_csv_file(site: StatsSite, name: str) -> None:
    """The page links it with the same range, and it has a header."""
    page = await get(site, "prof", f"servers?{ALL}")
    assert f'href="{PREFIX}csv/{name}.csv?since=2026-02-21&amp;until=2026-03-09' in page.text
    answer = await get(site, "prof", f"csv/{name}.csv?{ALL}")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text.count(",") > 0
