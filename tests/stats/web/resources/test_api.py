"""The API's routes about resources and cost."""

import pytest

from tests.stats.course import ALL
from tests.stats.prometheus.fake import FakePrometheus
from tests.stats.web.api.client import MAY_ASK, QUESTIONS, ask, ask_as
from tests.stats.web.api.client import add_people as add_roles
from tests.stats.web.api.test_openapi import check, schema
from tests.stats.web.site import StatsSite

GROUPS = {name: query for name, query in QUESTIONS.items() if "user=" not in query}


@pytest.mark.parametrize("path", ["resources", "cost"])
@pytest.mark.parametrize("role", MAY_ASK)
async def test_access(site: StatsSite, role: str, path: str) -> None:
    """Each role may ask about the same groups as elsewhere in the API."""
    add_roles(site)
    for name, query in GROUPS.items():
        status, body = await ask_as(site, role, f"{path}?{ALL}&{query}")
        assert status == (200 if name in MAY_ASK[role] else 403), name
        check(body, schema(path, status))


async def test_resources(site: StatsSite) -> None:
    """Numbers by day, group and user; null where nothing was measured."""
    _, body = await ask(site, "root", f"resources?{ALL}")
    assert body["available"]
    assert body["reason"] is None
    assert body["step_seconds"] == 300
    assert body["total"]["memory_gb_hours"] == 7
    assert body["other"]["memory_gb_hours"] == 24
    assert [user["name"] for user in body["users"]] == ["ana", "ben", "ben"]
    assert body["users"][2]["memory_gb_hours"] is None
    days = {day["day"]: day["memory_gb_hours"] for day in body["days"]}
    assert (days["2026-03-02"], days["2026-03-05"]) == (6, None)
    _, body = await ask(site, "prof", f"resources?{ALL}&group=nbgrader-x")
    assert body["other"] is None
    assert [group["name"] for group in body["groups"]] == ["nbgrader-x"]


async def test_cost(site: StatsSite) -> None:
    """The result comes with what it is calculated from."""
    _, body = await ask(site, "root", f"cost?{ALL}")
    assert (body["currency"], body["base"]) == ("EUR", "larger")
    total = body["total"]
    assert total["cost"] == (
        total["paid_gb_hours"] * body["price_memory_gb_hour"]
        + total["paid_cpu_hours"] * body["price_cpu_hour"]
    )
    assert {group["name"]: group["cost"] for group in body["groups"]} == {
        "nbgrader-x": 9.5,
        "nbgrader-y": 8,
    }


@pytest.mark.parametrize("path", ["resources", "cost"])
async def test_prometheus_is_away(site: StatsSite, prometheus: FakePrometheus, path: str) -> None:
    """Nothing is known then, for a reason; nothing is zero."""
    prometheus.respond = (401, {}, b"")
    status, body = await ask(site, "root", f"{path}?{ALL}")
    assert status == 200
    check(body, schema(path))
    assert not body["available"]
    assert "check --prometheus-token-file" in body["reason"]
    assert body["total"] is None
    assert body["groups"] == []
