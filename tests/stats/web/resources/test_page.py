"""The page "Resources" and its CSV files."""

import re
from pathlib import Path

import pytest

from common.hub.connection import client_session
from services.stats.query.resources.prices import TIMES
from services.stats.query.resources.slugs import Spawned, names
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import ALL, at
from tests.stats.prometheus.fake import FakePrometheus, Running
from tests.stats.web.api.client import ask
from tests.stats.web.resources.conftest import measured_site
from tests.stats.web.site import (
    HOSTILE,
    UTC,
    StatsSite,
    add_people,
    get,
    rows,
    stats_site,
    text,
)

CSVS = ("resources", "costs", "memory", "cpu")


async def test_users(site: StatsSite) -> None:
    """Each user's row has what their servers used; nothing is guessed."""
    found = {row["name"]: row for row in rows(await get(site, "root", f"csv/resources.csv?{ALL}"))}
    ana = found["ana"]
    # Two hours of 1 GB and one of 4; 3 GB were guaranteed to each server.
    assert float(ana["memory_gb_hours"]) == 6
    assert float(ana["peak_memory_gb"]) == 4
    assert float(ana["guaranteed_gb_hours"]) == 9
    assert float(ana["unused_gb_hours"]) == 4
    assert float(ana["cpu_hours"]) == 1.5
    assert ana["guaranteed_cpu_hours"] == ""
    # Tuesday's three hours were not measured.
    assert float(ana["measured_percent"]) == 50
    # 2 h of 3 GB and one of 4 at 0.5, and 1.5 CPU-hours at 2
    assert float(ana["cost"]) == (2 * 3 + 4) * 0.5 + 1.5 * 2
    assert set(found) == {"ana", "ben"}


async def test_two_people_of_one_name(site: StatsSite) -> None:
    """The earlier Ben's server is his; the present one was not measured, which is not zero."""
    both = [
        row
        for row in rows(await get(site, "root", f"csv/resources.csv?{ALL}"))
        if row["name"] == "ben"
    ]
    assert [row["memory_gb_hours"] for row in both] == ["1.0", ""]
    assert [float(row["measured_percent"]) for row in both] == [50, 0]
    assert both[1]["cost"] == ""


async def test_groups_and_total(site: StatsSite) -> None:
    """A user counts in each of their groups on the days of membership, and once in the hub."""
    page = await get(site, "root", f"resources?{ALL}")
    found = {row["name"]: row for row in rows(await get(site, "root", f"csv/costs.csv?{ALL}"))}
    assert float(found["nbgrader-y"]["memory_gb_hours"]) == 6
    assert float(found["nbgrader-x"]["memory_gb_hours"]) == 7
    shown = text(page)
    assert "Memory 7 GB-hours" in shown
    assert "A user in several groups counts in each of them, and once in the total." in shown
    assert f"11 GB-h {TIMES} 0.50 EUR + 2 CPU-h {TIMES} 2.00 EUR = 9.50 EUR" in shown
    assert (
        f"cost = paid memory in GB-hours {TIMES} 0.50 EUR + paid CPU-hours {TIMES} 2.00 EUR"
        in shown
    )
    assert "the larger of guarantee and use" in shown


async def test_uncertain_servers_are_nobodys(site: StatsSite) -> None:
    """A stranger's server, and one whose name fits two users, are named as not included."""
    page = text(await get(site, "root", f"resources?{ALL}"))
    assert "They used 24 GB-hours of memory and 1 CPU-hours" in page
    assert "mallory" not in page
    page = text(await get(site, "prof", f"resources?{ALL}"))
    assert "GB-hours" in page
    assert "Not included" not in page


async def test_days(site: StatsSite) -> None:
    """Each day has its sums; days without measurements have none."""
    found = {row["day"]: row for row in rows(await get(site, "root", f"csv/memory.csv?{ALL}"))}
    assert len(found) == 17
    assert found["2026-03-02"]["memory_gb_hours"] == "6.0"
    assert found["2026-03-03"]["memory_gb_hours"] == ""
    assert found["2026-03-09"]["measured_percent"] == "0.0"


async def test_coverage_is_stated(site: StatsSite) -> None:
    """The page says for which share of the time there are measurements."""
    shown = text(await get(site, "prof", f"resources?{ALL}&group=nbgrader-x"))
    assert re.search(r"for \d+(\.\d)?% of the time in which servers ran", shown)
    assert "Sums and costs cover only the measured time" in shown
    assert "guarantee is known for 75% of the measured time" in shown


@pytest.mark.parametrize("path", ["resources", *(f"csv/{name}.csv" for name in CSVS)])
async def test_who_sees_it(site: StatsSite, path: str) -> None:
    """Students are refused; a grader gets their course and the same refusal for all others."""
    for user, query, status in (
        ("root", "", 200),
        ("prof", "", 200),
        ("prof", "group=nbgrader-x", 200),
        ("prof", "group=nbgrader-y", 403),
        ("prof", "group=nbgrader-zzz", 403),
        ("ana", "", 403),
        ("ana", "group=nbgrader-x", 403),
        ("ana", "user=ana", 403),
        ("root", "user=ana", 404),
        ("root", "sort=nothing", 400),
    ):
        page = await get(site, user, f"{path}?{ALL}&{query}")
        assert page.status == status, (user, query)
        if status != 200:
            assert "GB" not in text(page)


async def test_a_grader_sees_days_of_membership(site: StatsSite) -> None:
    """The grader of y sees Ana's Monday, the grader of x the earlier Ben, too."""
    found = rows(await get(site, "other", f"csv/resources.csv?{ALL}"))
    assert [(row["name"], row["server_hours"]) for row in found] == [("ana", "3.0")]
    groups = rows(await get(site, "other", f"csv/costs.csv?{ALL}"))
    assert [row["name"] for row in groups] == ["nbgrader-y"]


async def test_prometheus_is_away(site: StatsSite, prometheus: FakePrometheus) -> None:
    """The page says so, without any number; CSV files are refused, and other pages unaffected."""
    prometheus.respond = (503, {}, b"down")
    page = await get(site, "root", f"resources?{ALL}")
    assert page.status == 200
    assert "No measurements of 2026-02-21 to 2026-03-09" in text(page)
    assert "GB" not in text(page)
    assert "<table" not in page.text
    for name in CSVS:
        assert (await get(site, "root", f"csv/{name}.csv?{ALL}")).status == 404
    assert (await get(site, "root", f"users?{ALL}")).status == 200


async def test_nothing_measured(site: StatsSite, prometheus: FakePrometheus) -> None:
    """A Prometheus without these servers names the settings to check, and shows no zero."""
    prometheus.servers.clear()
    page = await get(site, "root", f"resources?{ALL}")
    assert "check --prometheus-preset" in text(page)
    assert "<table" not in page.text
    page = await get(site, "root", "resources?since=2026-03-05&until=2026-03-05")
    assert "No servers ran on these days" in text(page)


async def test_hostile_names(site: StatsSite, prometheus: FakePrometheus) -> None:
    """A user's name never reaches a query; it is shown as it is, and a link leads to the user."""
    for name in names(Spawned.PODS, "jupyter", HOSTILE, ""):
        prometheus.servers.append(Running(name, at(0, 10), at(0, 11)))
    page = await get(site, "prof", f"resources?{ALL}&q={HOSTILE}")
    assert HOSTILE not in page.text
    assert "1 user who had a server" in text(page)
    assert all("script" not in query for query in prometheus.queries)


async def test_days_without_records(site: StatsSite) -> None:
    """The page names the days that have records, and asks Prometheus for nothing."""
    page = await get(site, "root", "resources?since=2020-01-01&until=2020-02-01")
    assert "There are no detailed records of these days" in text(page)
    assert (await get(site, "root", "csv/memory.csv?until=2020-02-01")).status == 404


async def test_pruned_days_are_left_out(site: StatsSite, store: Store) -> None:
    """Without sessions, whose server a container was is not certain: those days are not shown."""
    await store.prune(at(0))
    found = rows(await get(site, "root", f"csv/memory.csv?{ALL}"))
    assert (found[0]["day"], len(found)) == ("2026-03-02", 8)
    page = await get(site, "root", "resources?since=2026-02-21&until=2026-03-01")
    assert "They cover 2026-03-02 to 2026-03-09" in text(page)


async def test_before_the_first_poll(tmp_path: Path, prometheus: FakePrometheus) -> None:
    """An empty database is reported as such."""
    store = await Store.open(f"sqlite:///{tmp_path / 'empty.sqlite'}", UTC)
    queries = Queries(store)
    async with (
        client_session(prometheus.url) as session,
        measured_site(queries, prometheus, session) as made,
    ):
        add_people(made)
        assert "No records yet" in text(await get(made, "root", "resources"))
        assert (await get(made, "root", "csv/memory.csv")).status == 404
        _, body = await ask(made, "root", "cost")
        assert body["reason"] == "there are no records of these days"
    await store.close()


async def test_pages_keep_the_rules(site: StatsSite) -> None:
    """The menu leads here, one zone is named once, and there is no inline code."""
    page = await get(site, "root", f"resources?{ALL}")
    assert 'href="/services/stats/resources"' in (await get(site, "prof", "")).text
    assert 'href="/services/stats/resources"' not in (await get(site, "ana", "")).text
    assert len(re.findall(r"\bUTC\b", text(page))) == 1
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.text)


async def test_sort_and_search(site: StatsSite) -> None:
    """The server sorts; unknown numbers come last in either direction."""
    for sort in ("cost", "-cost"):
        found = rows(await get(site, "root", f"csv/resources.csv?{ALL}&sort={sort}"))
        assert found[-1]["cost"] == ""
    page = await get(site, "root", f"resources?{ALL}&q=AN&sort=name")
    assert "1 user who had a server" in text(page)
    assert 'aria-sort="ascending"' in page.text


async def test_not_configured(store: Store) -> None:
    """Without Prometheus there is no page, no menu entry and no CSV file; the API says why."""
    async with stats_site(Queries(store)) as made:
        add_people(made)
        page = await get(made, "root", "")
        assert "resources" not in page.text
        for path in ("resources", *(f"csv/{name}.csv" for name in CSVS)):
            assert (await get(made, "root", path)).status == 404
        assert (await get(made, "ana", "resources")).status == 404
        status, body = await ask(made, "root", "resources")
        assert status == 200
        assert body["reason"] == "Prometheus is not configured; set --prometheus-url"
