"""The part of the API that is about servers."""

from math import inf

import pytest

from services.stats.records import Changes, Session, SpawnCounters, Spawns
from services.stats.store.store import Store
from tests.stats.course import ALL, ANA, at
from tests.stats.web.api.client import MAY_ASK, ask, ask_as
from tests.stats.web.api.test_openapi import check, schema
from tests.stats.web.site import StatsSite


async def test_profiles_and_images(site: StatsSite) -> None:
    """What is unknown is null: here the images, and most profiles."""
    _, body = await ask(site, "root", f"profiles?{ALL}")
    assert (body["first"], body["last"], body["total"]) == ("2026-02-21", "2026-03-09", 2)
    assert body["known_from"] is body["users_from"] is None
    assert [(row["name"], row["sessions"], row["running"]) for row in body["rows"]] == [
        (None, 4, 1),
        ("gpu", 1, 0),
    ]
    _, body = await ask(site, "root", f"images?{ALL}")
    assert [(row["name"], row["sessions"]) for row in body["rows"]] == [(None, 5)]


async def test_pruned_days(site: StatsSite, store: Store) -> None:
    """How many users there were is null, and the answer says since when it is known."""
    await store.prune(at(4))
    _, body = await ask(site, "prof", f"profiles?{ALL}&group=nbgrader-x")
    assert body["users_from"] == "2026-03-06"
    assert {row["users"] for row in body["rows"]} == {None}


async def test_server_ages(site: StatsSite, store: Store) -> None:
    """The histogram, and a page of those that have run for long."""
    changes = Changes()
    for number in range(100, 151):
        changes.sessions[number] = Session(number, ANA, f"s{number}", 1, at(6), at(6), None)
    changes.touch(at(6))
    await store.write(changes, leader=await store.take_leadership())
    _, body = await ask(site, "prof", "server-ages?group=nbgrader-x&timezone=Asia/Kolkata")
    assert (body["as_of"], body["running"]) == ("2026-03-09T21:30:00+05:30", 52)
    assert [(one["from_hours"], one["servers"]) for one in body["classes"] if one["servers"]] == [
        (4, 1),
        (24, 51),
    ]
    assert (body["total"], body["page"], body["pages"]) == (51, 1, 2)
    assert len(body["long_running"]) == 50
    _, last = await ask(site, "prof", "server-ages?group=nbgrader-x&page=9")
    assert last["page"] == 2
    (server,) = last["long_running"]
    assert (server["user"], server["server"], server["profile"]) == ("ana", "s150", "gpu")
    assert server["hours"] == 40.0


async def test_forecast(site: StatsSite) -> None:
    """The coming week and the past two, with the rule in words."""
    _, body = await ask(site, "other", "forecast?group=nbgrader-y")
    assert "median" in body["rule"]
    assert [body["days"][0]["day"], body["days"][-1]["day"]] == ["2026-02-23", "2026-03-16"]
    assert body["days"][-1] == {
        "day": "2026-03-16",
        "expected": 0.5,
        "upper": 1,
        "actual": None,
        "weeks": 2,
    }


async def test_starts_are_unknown_without_the_hub_s_counters(site: StatsSite) -> None:
    """Null, never zero."""
    _, body = await ask(site, "root", f"spawns?{ALL}&by=week")
    assert body["total"]["starts"] is body["total"]["p90_seconds"] is None
    assert body["lengths"] == []
    assert {period["failures"] for period in body["periods"]} == {None}


async def test_starts_by_the_hub_s_counters(site: StatsSite, store: Store) -> None:
    """Numbers of the range and its days, and the Hub's bins with both bounds."""
    changes = Changes()
    hour = at(0, 9), at(0, 10)
    changes.spawns[*hour, "success"] = Spawns(*hour, "success", 4, 20.0, {1.0: 1, 10.0: 2, inf: 1})
    changes.spawn_counters[at(0)] = SpawnCounters(at(0), at(2), None, {})
    await store.write(changes, leader=await store.take_leadership())
    _, body = await ask(site, "root", "spawns?since=2026-03-02&until=2026-03-03")
    check(body, schema("spawns"))
    assert (body["total"]["starts"], body["total"]["failures"]) == (4, 0)
    assert (body["total"]["median_seconds"], body["total"]["p90_seconds"]) == (10.0, None)
    assert body["lengths"] == [
        {"over_seconds": 0.0, "up_to_seconds": 1.0, "servers": 1},
        {"over_seconds": 1.0, "up_to_seconds": 10.0, "servers": 2},
        {"over_seconds": 10.0, "up_to_seconds": None, "servers": 1},
    ]
    assert [period["starts"] for period in body["periods"]] == [4, 0]


@pytest.mark.parametrize("role", MAY_ASK)
async def test_access_by_role(site: StatsSite, role: str) -> None:
    """Starts are for viewers of the whole hub; the forecast also for graders of the group."""
    everything = "hub" in MAY_ASK[role]
    assert (await ask_as(site, role, "spawns"))[0] == (200 if everything else 403)
    for group, question in (("x", "x"), ("y", "y")):
        allowed = question in MAY_ASK[role]
        status, _ = await ask_as(site, role, f"forecast?group=nbgrader-{group}")
        assert status == (200 if allowed else 403)
        unknown, _ = await ask_as(site, role, f"forecast?group=nbgrader-{group}-unknown")
        assert unknown == (200 if everything else 403)
    assert (await ask_as(site, role, "forecast"))[0] == (200 if everything else 403)
    for question in ("user=ana", "group=nbgrader-x"):
        assert (await ask_as(site, role, f"spawns?{question}"))[0] == 400
