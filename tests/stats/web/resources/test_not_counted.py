"""Resources of users who are not counted."""

import pytest

from services.stats.settings.exclusion import Exclusion
from services.stats.store import tables as t
from services.stats.store.store import Store
from tests.stats.course import ALL, ANA
from tests.stats.web.api.client import ask
from tests.stats.web.site import StatsSite, get, rows, text


@pytest.fixture(autouse=True)
async def excluded(store: Store) -> None:
    """Ana is not counted."""
    async with store.writing() as connection:
        await connection.execute(t.users.update().where(t.users.c.id == ANA).values(excluded=True))
    await store.keep_exclusion(Exclusion(("ana",)), leader=await store.take_leadership())


async def test_their_sum_is_named_apart(site: StatsSite) -> None:
    """They are in no row and no total; administrators see what their servers used."""
    page = text(await get(site, "root", f"resources?{ALL}"))
    assert "Memory 1 GB-hours" in page
    assert (
        "Their servers used 6 GB-hours of memory and 1.5 CPU-hours, which cost about 8.00 EUR"
        in page
    )
    assert "Not counted: 1 user" in page
    found = rows(await get(site, "root", f"csv/resources.csv?{ALL}"))
    assert {row["name"] for row in found} == {"ben"}
    groups = rows(await get(site, "root", f"csv/costs.csv?{ALL}"))
    assert [(row["name"], row["memory_gb_hours"]) for row in groups] == [("nbgrader-x", "1.0")]
    _, body = await ask(site, "root", f"resources?{ALL}")
    assert (body["total"]["memory_gb_hours"], body["not_counted"]["memory_gb_hours"]) == (1, 6)


async def test_graders_do_not_see_it(site: StatsSite) -> None:
    """The rest of the hub, of which Ana is a part, is nothing to graders."""
    page = text(await get(site, "prof", f"resources?{ALL}"))
    assert "Not included" not in page
    _, body = await ask(site, "prof", f"resources?{ALL}&group=nbgrader-x")
    assert body["not_counted"] is None
