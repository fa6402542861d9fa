"""Extensions, holds and the audit log, on SQLite and on a real PostgreSQL."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from common.errors import StoreConflict, StoreError
from services.cull.policy.model import Protections
from services.cull.store.kept import kept_policy
from services.cull.store.records import DAY, Event, ExtensionRefused, HoldKind
from services.cull.store.store import AUDIT_DAYS, KEEP_EXPIRED, CullStore
from tests.fakes.databases import db_url, postgres, postgres_url
from tests.fakes.postgres import Postgres

__all__ = ["db_url", "postgres", "postgres_url"]  # fixtures that pytest finds by name in this file

NOW = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
ODD_NAMES = ["q?x=1", "h#frag", "%41", "名前", "sp ace", "o'neil\"; --", "a" * 255]


@pytest.fixture
async def store(db_url: str) -> AsyncIterator[CullStore]:
    """An open store in an empty database."""
    async with CullStore(db_url) as opened:
        yield opened


async def test_an_empty_store_protects_nobody(store: CullStore) -> None:
    """A new database has no extension, hold or audit line."""
    assert await store.protections(NOW) == Protections(
        extensions={}, server_holds={}, user_holds={}, group_holds={}
    )
    assert await store.list_holds(NOW) == []
    assert await store.audit_log() == []


async def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Other accounts of the machine cannot read who was active when, and who stopped what."""
    async with CullStore(f"sqlite:///{tmp_path / 'cull.sqlite'}") as store:
        await store.protections(NOW)
        modes = {file.name: file.stat().st_mode & 0o777 for file in os.scandir(tmp_path)}
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_any_name_is_stored_unchanged(store: CullStore, name: str) -> None:
    """Names come back exactly as they went in, and no other name matches them."""
    await store.extend(name, name, by=name, until=NOW + HOUR, limit_per_day=1, now=NOW)
    await store.hold(HoldKind.SERVER, name, name, until=NOW + HOUR, by=name, now=NOW)
    await store.hold(HoldKind.USER, name, until=NOW + HOUR, by=name, now=NOW)
    await store.hold(HoldKind.GROUP, name, until=NOW + HOUR, by=name, why=name, now=NOW)

    found = await store.protections(NOW)

    assert found.extensions == {(name, name): NOW + HOUR}
    assert found.server_holds == {(name, name): NOW + HOUR}
    assert found.user_holds == found.group_holds == {name: NOW + HOUR}


async def test_what_is_stored_survives_a_restart(db_url: str) -> None:
    """Extensions, holds and audit lines are there when the store is opened again."""
    async with CullStore(db_url) as first:
        await first.extend("ada", "", by="ada", until=NOW + HOUR, limit_per_day=1, now=NOW)
        held = await first.hold("group", "exam", until=NOW + DAY, by="root", why="exam", now=NOW)

    async with CullStore(db_url) as second:
        assert (await second.protections(NOW)).extensions == {("ada", ""): NOW + HOUR}
        assert await second.list_holds(NOW) == [held]
        assert [event.action for _, event in await second.audit_log()] == ["hold", "extend"]


async def test_times_are_aware_and_utc(store: CullStore) -> None:
    """A time with another offset comes back as the same moment in UTC, to the microsecond."""
    until = (NOW + HOUR).astimezone(timezone(timedelta(hours=5, minutes=30)))
    made = await store.hold("user", "ada", until=until, by="root", now=NOW)

    assert made.until == until
    assert made.until.utcoffset() == timedelta(0)
    [read] = await store.list_holds(NOW)
    assert read == made
    assert read.until.utcoffset() == read.made.utcoffset() == timedelta(0)


async def test_a_time_without_a_zone_is_a_mistake(store: CullStore) -> None:
    """A naive time is refused, not guessed at."""
    with pytest.raises(StoreError, match="without a zone"):
        await store.hold("user", "ada", until=NOW.replace(tzinfo=None), by="root", now=NOW)


async def test_the_limit_counts_the_last_24_hours(store: CullStore) -> None:
    """The refusal says when the next extension is allowed, and at that time it is."""
    for number in (1, 2):
        made = await store.extend(
            "ada",
            "",
            by="ada",
            until=NOW + (number + 1) * HOUR,
            limit_per_day=2,
            now=NOW + number * HOUR,
        )
        assert made.used == number

    with pytest.raises(ExtensionRefused) as refused:
        await store.extend(
            "ada", "", by="ada", until=NOW + 9 * HOUR, limit_per_day=2, now=NOW + 3 * HOUR
        )
    assert refused.value.again_at == NOW + HOUR + DAY

    again = await store.extend(
        "ada", "", by="ada", until=NOW + 30 * HOUR, limit_per_day=2, now=NOW + HOUR + DAY
    )
    assert again.used == 2


async def test_the_limit_is_each_servers_own(store: CullStore) -> None:
    """Other servers and other users are counted separately."""
    for user, server in [("ada", ""), ("ada", "lab"), ("bob", "")]:
        await store.extend(user, server, by=user, until=NOW + HOUR, limit_per_day=1, now=NOW)
    assert await store.used("ada", now=NOW) == {"": [NOW], "lab": [NOW]}


async def test_a_rule_without_extensions_refuses_the_first(store: CullStore) -> None:
    """A limit of 0 refuses, and no later time is offered."""
    with pytest.raises(ExtensionRefused) as refused:
        await store.extend("ada", "", by="ada", until=NOW + HOUR, limit_per_day=0, now=NOW)
    assert refused.value.again_at is None


async def test_a_second_click_costs_nothing(store: CullStore) -> None:
    """Extending to the time in force returns it, uncounted and without an audit line."""
    first = await store.extend("ada", "", by="ada", until=NOW + HOUR, limit_per_day=2, now=NOW)
    second = await store.extend("ada", "", by="ada", until=NOW + HOUR, limit_per_day=2, now=NOW)

    assert second == first
    assert len(await store.audit_log()) == 1


async def test_two_clicks_at_once_are_one_extension(store: CullStore) -> None:
    """Two requests within a moment, for almost the same time, count once."""
    moments = [NOW + timedelta(seconds=number) for number in range(3)]
    made = await asyncio.gather(
        *(
            store.extend("ada", "", by="ada", until=at + HOUR, limit_per_day=3, now=at)
            for at in moments
        )
    )
    assert {extension.used for extension in made} == {1}


async def test_concurrent_extensions_stay_within_the_limit(db_url: str) -> None:
    """Two processes and 20 requests at one moment get as many extensions as the rule allows."""
    async with CullStore(db_url) as one, CullStore(db_url) as other:
        answers = await asyncio.gather(
            *(
                store.extend(
                    "ada",
                    "",
                    by="ada",
                    until=NOW + HOUR + timedelta(minutes=2 * number),
                    limit_per_day=3,
                    now=NOW,
                )
                for number in range(10)
                for store in (one, other)
            ),
            return_exceptions=True,
        )
        # How many found a later extension in force depends on the order.
        assert 1 <= len((await one.used("ada", now=NOW))[""]) <= 3
        for hours in (2, 3, 4):
            with suppress(ExtensionRefused):
                await one.extend(
                    "ada", "", by="ada", until=NOW + hours * HOUR, limit_per_day=3, now=NOW
                )
        assert await one.used("ada", now=NOW) == {"": [NOW] * 3}
        log = await one.audit_log()
    unexpected = [
        answer
        for answer in answers
        if isinstance(answer, BaseException) and not isinstance(answer, ExtensionRefused)
    ]
    assert unexpected == []
    assert len(log) == 3


async def test_a_hold_replaces_the_one_before(store: CullStore) -> None:
    """Holding a target again moves the end, even to an earlier time; the audit log has both."""
    await store.hold("user", "ada", until=NOW + DAY, by="root", now=NOW)
    later = await store.hold("user", "ada", until=NOW + HOUR, by="eve", why="short", now=NOW)

    assert await store.list_holds(NOW) == [later]
    assert [event.who for _, event in await store.audit_log()] == ["eve", "root"]


async def test_concurrent_holds_of_the_same_leave_one(db_url: str) -> None:
    """Administrators who hold the same target at the same moment get one hold and no error."""
    async with CullStore(db_url) as one, CullStore(db_url) as other:
        await asyncio.gather(
            *(
                store.hold("group", "exam", until=NOW + DAY, by="root", now=NOW)
                for store in (one, other) * 4
            )
        )
        assert len(await one.list_holds(NOW)) == 1


async def test_a_released_hold_is_gone_and_its_id_is_not_used_again(store: CullStore) -> None:
    """Releasing twice finds nothing the second time, even if another hold was set in between."""
    held = await store.hold("user", "ada", until=NOW + DAY, by="root", now=NOW)
    assert await store.release(held.id, by="eve", now=NOW) == held
    await store.hold("user", "bob", until=NOW + DAY, by="root", now=NOW)

    assert await store.release(held.id, by="eve", now=NOW) is None
    assert [hold.name for hold in await store.list_holds(NOW)] == ["bob"]


async def test_protection_ends_at_its_time(store: CullStore) -> None:
    """At `until` itself nothing is protected any more."""
    await store.extend("ada", "", by="ada", until=NOW + HOUR, limit_per_day=1, now=NOW)
    await store.hold("user", "ada", until=NOW + HOUR, by="root", now=NOW)

    just_before = await store.protections(NOW + HOUR - timedelta(microseconds=1))
    assert (just_before.extensions, just_before.user_holds) != ({}, {})
    at_the_end = await store.protections(NOW + HOUR)
    assert (at_the_end.extensions, at_the_end.user_holds) == ({}, {})


async def test_what_has_expired_is_deleted(store: CullStore) -> None:
    """A week after their end, extensions and holds are deleted; audit lines later."""
    await store.extend("ada", "", by="ada", until=NOW + HOUR, limit_per_day=1, now=NOW)
    await store.hold("user", "ada", until=NOW + HOUR, by="root", now=NOW)

    await store.prune(NOW + HOUR + KEEP_EXPIRED - timedelta(seconds=1))
    assert await store.list_holds(NOW) != []
    await store.prune(NOW + HOUR + KEEP_EXPIRED)
    assert await store.protections(NOW) == Protections(
        extensions={}, server_holds={}, user_holds={}, group_holds={}
    )
    assert await store.used("ada", now=NOW) == {}

    assert len(await store.audit_log()) == 2
    await store.prune(NOW + timedelta(days=AUDIT_DAYS))
    assert await store.audit_log() == []


async def test_the_audit_log_pages_from_the_newest(store: CullStore) -> None:
    """Lines come newest first and complete; a page continues where the last one ended."""
    events = [
        Event(
            at=NOW,
            who="culler",
            action="stop",
            target="server",
            name="名前",
            server="lab",
            reason="idle",
            rule=f"rule {number}",
            until=None,
        )
        for number in range(5)
    ]
    await store.audit(*events)

    first = await store.audit_log(limit=2)
    rest = await store.audit_log(limit=10, before_id=first[-1][0])

    assert [event for _, event in first + rest] == events[::-1]


async def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    """If the directory does not exist, one clear error names the file."""
    with pytest.raises(
        StoreError, match=r"missing/cull\.sqlite.*missing does not exist; create it"
    ):
        await CullStore(f"sqlite:///{tmp_path}/missing/cull.sqlite").open()


async def test_a_closed_store_says_so() -> None:
    """Using a store that is not open raises the store's own error."""
    with pytest.raises(StoreError, match="not open"):
        await CullStore("sqlite://").protections(NOW)


async def test_the_database_may_go_away_and_come_back(postgres: Postgres) -> None:
    """While PostgreSQL is down every call raises StoreError without the password; then it works."""
    url = postgres.database().replace("@/", ":s3cret@/")
    async with CullStore(url) as store:
        await store.hold("user", "ada", until=NOW + DAY, by="root", now=NOW)
        postgres.stop()
        try:
            with pytest.raises(StoreError) as away:
                await store.protections(NOW)
            with pytest.raises(StoreError):
                await CullStore(url).open()
        finally:
            postgres.start()
        assert "s3cret" not in str(away.value)
        assert (await store.protections(NOW)).user_holds == {"ada": NOW + DAY}


async def test_the_last_valid_policy(store: CullStore, db_url: str, tmp_path: Path) -> None:
    """The latest text of one file, after a restart, too; another file has none."""
    first, second = tmp_path / "名前.toml", tmp_path / "b.toml"
    assert await kept_policy(db_url, first) is None
    await store.keep_policy(first, "one")
    await store.keep_policy(first, "名前 = 1\n")
    assert await kept_policy(db_url, first) == "名前 = 1\n"
    assert await kept_policy(db_url, second) is None
    await store.keep_policy(second, "two")
    assert await kept_policy(db_url, first) is None
    writes = (store.keep_policy(first, str(n)) for n in range(5))
    for error in await asyncio.gather(*writes, return_exceptions=True):
        assert error is None or isinstance(error, StoreConflict)
    assert await store.kept_policy(first) in set("01234")


async def test_a_relative_path_is_that_of_the_working_directory(
    store: CullStore, db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same name in another directory is another file."""
    monkeypatch.chdir(tmp_path)
    await store.keep_policy(Path("cull.toml"), "text")
    assert await store.kept_policy(tmp_path / "cull.toml") == "text"
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert await store.kept_policy(Path("cull.toml")) is None


async def test_reading_the_last_valid_policy_creates_no_database(tmp_path: Path) -> None:
    """The policy file is invalid, so the service may not run at all."""
    assert await kept_policy(f"sqlite:///{tmp_path}/none.sqlite", tmp_path / "cull.toml") is None
    assert os.listdir(tmp_path) == []
