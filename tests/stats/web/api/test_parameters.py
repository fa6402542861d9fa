"""The JSON API: query strings."""

import pytest

from services.stats.store.writer import Store
from tests.stats.course import ALL
from tests.stats.web.api.client import ask
from tests.stats.web.site import StatsSite


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("summary?since=soon", "since"),
        ("summary?until=2026-02-30", "until"),
        ("summary?since=2026-03-05&until=2026-03-01", "since"),
        ("summary?by=year", "by"),
        ("summary?timezone=Mars", "timezone"),
        ("summary?timezone=../../etc/passwd", "timezone"),
        ("summary?gruop=nbgrader-x", "'gruop'"),
        ("summary?group=a&group=b", "group"),
        ("summary?group=a%00b", "group"),
        ("summary?user=" + "a" * 300, "user"),
        ("people?sort=x", "sort"),
        ("people?page=0", "page"),
        ("people?page=-1", "page"),
        ("people?q=" + "a" * 300, "q"),
        ("concurrency?points=1", "points"),
        ("concurrency?points=9999999", "points"),
        ("concurrency?points=x", "points"),
        ("concurrency?points=%D9%A3", "points"),
        ("inactive?since=", "since"),
        ("gaps?group=nbgrader-x", "'group'"),
        ("about?x=1", "'x'"),
    ],
)
async def test_a_bad_query_is_told(site: StatsSite, path: str, problem: str) -> None:
    """A 400 with a line that names the parameter and says what to write."""
    status, body = await ask(site, "root", path)
    assert status == 400
    assert set(body) == {"status", "message", "problems"}
    assert body["problems"][0].startswith(problem)
    assert len(body["message"]) < 500


async def test_every_problem_is_told_at_once(site: StatsSite) -> None:
    """Not one after the other."""
    _, body = await ask(site, "root", "summary?since=soon&by=year&timezone=Mars")
    assert len(body["problems"]) == 3


async def test_answers_are_bounded(site: StatsSite, store: Store) -> None:
    """Years are not answered at once, and of the raw records a year at most."""
    async with store.writing() as connection:
        await store.write_meta(connection, first_day="2020-01-01")
    status, body = await ask(site, "root", "days?since=2020-01-01")
    assert (status, body["problems"]) == (
        400,
        ["since, until: the range is limited to 1100 days."],
    )
    assert (await ask(site, "root", "days?since=1100d"))[0] == 200
    for path in ("gaps", "concurrency", "timeline"):
        assert (await ask(site, "root", f"{path}?since=400d"))[0] == 400
    _, moments = await ask(site, "root", f"concurrency?{ALL}&points=2000")
    assert len(moments["moments"]) <= 2001
