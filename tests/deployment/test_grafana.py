"""The Grafana dashboards, checked with the metrics of running services."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import promql_parser
import pytest

from tests.deployment.promql import (
    InvalidQuery,
    Metrics,
    labels_of,
    metric_names,
    metrics_of,
    with_values,
)
from tests.fakes.hub import FakeHub
from tests.paths import ROOT

BOARDS = {
    path.stem: json.loads(path.read_text()) for path in (ROOT / "docker/grafana").glob("*.json")
}
SERVICES = ("cull", "stats")
BUILT_IN = {"__rate_interval": "5m", "datasource": "prometheus"}
TIMEOUT = 90.0
"""Time limit in seconds, on a busy machine."""

FLAGS = {
    "cull": ("--timeout=3600", "--settle=0"),
    "stats": ("--user-metrics", "--interval=10"),
}
GOOD = {
    "cull": 'jupyterhub_cull_passes_total{outcome="good"} ',
    "stats": 'jupyterhub_stats_polls_total{outcome="whole"} ',
}
"""The metric that each service increases after its first pass or poll."""


@dataclass(frozen=True)
class Panel:
    """A query in a panel."""

    board: str
    title: str
    expression: str
    legend: str


def panels() -> Iterator[Panel]:
    """Yield every query of every dashboard."""
    for board, content in BOARDS.items():
        for panel in content["panels"]:
            for target in panel.get("targets", ()):
                yield Panel(board, panel["title"], target["expr"], target["legendFormat"])


PANELS = [pytest.param(panel, id=f"{panel.board}: {panel.title}") for panel in panels()]


def variables(board: str) -> dict[str, dict[str, Any]]:
    """Return a dashboard's variables by name."""
    return {one["name"]: one for one in BOARDS[board]["templating"]["list"]}


def sent_query(panel: Panel) -> str:
    """Return the query that Grafana sends if all values are selected."""
    chosen = {name: one.get("allValue", "") for name, one in variables(panel.board).items()}
    return with_values(panel.expression, chosen | BUILT_IN)


# -- the services as they run


@asynccontextmanager
async def running(service: str, hub: FakeHub, directory: Path) -> AsyncIterator[str]:
    """Run a service and wait for its first pass or poll; yield the URL of its pages."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTERHUB_")}
    log = directory / "log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"services.{service}", f"--url={hub.api_url}"),
            *("--ip=127.0.0.1", "--port=0", "--authenticate-prometheus=false", *FLAGS[service]),
            env=env | {"JUPYTERHUB_API_TOKEN": hub.token, "PYTHONPATH": str(ROOT)},
            stderr=stderr,
            cwd=directory,
        )
    try:
        deadline = time.monotonic() + TIMEOUT
        while not (found := re.search(r"Pages at (\S+)", log.read_text())):
            assert process.returncode is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            await asyncio.sleep(0.1)
        while not re.search(re.escape(GOOD[service]) + "[1-9]", await scrape(found[1])):
            assert time.monotonic() < deadline, log.read_text()
            await asyncio.sleep(0.2)
        yield found[1]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def scrape(url: str) -> str:
    """Return the service's metrics."""
    async with aiohttp.ClientSession() as session, session.get(url + "metrics") as answer:
        assert answer.status == 200
        return await answer.text()


@asynccontextmanager
async def both(directory: Path) -> AsyncIterator[dict[str, str]]:
    """Run both services with a Hub that has an active and an idle server."""
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(FakeHub())
        hub.now = lambda: datetime.now(UTC)
        hub.add_user("ana", groups=["nbgrader-course"])
        hub.add_server("ana", idle=30)
        hub.add_server("left", idle=2 * 3600, age=3 * 3600)
        urls = {}
        for service in SERVICES:
            await asyncio.to_thread((directory / service).mkdir)
            urls[service] = await stack.enter_async_context(
                running(service, hub, directory / service)
            )
        yield urls


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The metrics of each service as text."""

    async def read() -> dict[str, str]:
        async with both(tmp_path_factory.mktemp("services")) as urls:
            return {service: await scrape(url) for service, url in urls.items()}

    return asyncio.run(read())


@pytest.fixture(scope="module")
def metrics(scraped: dict[str, str]) -> dict[str, Metrics]:
    """The metrics of each service by name."""
    return {service: metrics_of(text) for service, text in scraped.items()}


# -- the dashboards


def test_each_service_has_a_dashboard() -> None:
    """The dashboards have panels and unique IDs."""
    assert set(BOARDS) == set(SERVICES)
    assert len(PANELS) > 40
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)


@pytest.mark.parametrize("board", BOARDS)
def test_a_dashboard_can_be_imported(board: str) -> None:
    """IDs are unique, panels do not overlap, and all use the selected data source."""
    content = BOARDS[board]
    assert content["schemaVersion"] >= 36
    assert "id" not in content
    ids = [panel["id"] for panel in content["panels"]]
    assert len(ids) == len(set(ids))
    occupied: set[tuple[int, int]] = set()
    for panel in content["panels"]:
        at = panel["gridPos"]
        assert 0 < at["w"] <= 24 - at["x"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not occupied & cells, panel["title"]
        occupied |= cells
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"].get("unit") or panel["type"] == "table"
        for item in (panel, *panel["targets"]):
            assert item["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert variables(board)["datasource"]["type"] == "datasource"


@pytest.mark.parametrize("panel", PANELS)
def test_queries_match_the_metrics(panel: Panel, metrics: dict[str, Metrics]) -> None:
    """All metrics, labels and values exist, and the result has the labels of the legend."""
    labels = labels_of(sent_query(panel), metrics[panel.board])
    assert set(re.findall(r"{{\s*(\w+)\s*}}", panel.legend)) <= labels
    assert "$instance" in panel.expression


@pytest.mark.parametrize("board", BOARDS)
def test_variables_use_existing_metrics(board: str, metrics: dict[str, Metrics]) -> None:
    """The lists of instances and groups come from existing labels, and queries use them."""
    used = " ".join(panel.expression for panel in panels() if panel.board == board)
    for name, one in variables(board).items():
        if name == "datasource":
            continue
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", one["query"]["query"])
        assert found, one
        assert found[2] in labels_of(found[1], metrics[board])
        assert f'=~"${name}"' in used


@pytest.mark.parametrize("board", BOARDS)
def test_every_metric_is_shown(board: str, metrics: dict[str, Metrics]) -> None:
    """Each metric of the service is used in a panel."""
    shown = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for panel in panels()
        if panel.board == board
        for name in metric_names(promql_parser.parse(sent_query(panel)))
    }
    exported = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for name in metrics[board]
        if name.startswith(f"jupyterhub_{board}_") and not name.endswith("_created")
    }
    assert exported - shown == set()


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("jupyterhub_cull_nothing", "no metric"),
        ('jupyterhub_cull_servers{status="ready"}', "no label status"),
        ('jupyterhub_cull_servers{state="redy"}', "never 'redy'"),
        ('jupyterhub_cull_stops_total{outcome=~"done|undone"}', "never 'undone'"),
        ("sum by (status) (jupyterhub_cull_servers)", "to group by"),
        ("rate(jupyterhub_cull_servers[5m])", "no counter"),
        (
            "histogram_quantile(0.9, sum(rate(jupyterhub_cull_pass_duration_seconds_bucket[1h])))",
            "le",
        ),
        ("jupyterhub_cull_hub_up * on (state) jupyterhub_cull_servers", "both sides"),
        ("jupyterhub_cull_hub_up * $nothing", "variable"),
    ],
)
def test_the_check_finds_invalid_queries(
    query: str, problem: str, metrics: dict[str, Metrics]
) -> None:
    """Each kind of mistake is found."""
    with pytest.raises(InvalidQuery, match=problem):
        labels_of(with_values(query, BUILT_IN), metrics["cull"])


def test_the_check_finds_syntax_errors(metrics: dict[str, Metrics]) -> None:
    """A query must be valid PromQL."""
    with pytest.raises(ValueError, match="unclosed"):
        labels_of("sum(jupyterhub_cull_servers", metrics["cull"])


# -- the same, with Prometheus itself


def program(name: str) -> str:
    """Return the path of prometheus or promtool; skip the test if it is not installed."""
    beside = f"{sys.prefix}/lib/prometheus"
    found = shutil.which(name) or shutil.which(name, path=beside)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian's package prometheus; make programs)")
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_promtool_accepts_the_metrics(service: str, scraped: dict[str, str]) -> None:
    """Names, units and help texts follow Prometheus' conventions."""
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=scraped[service].encode(),
        capture_output=True,
        check=False,
    )
    assert (done.stdout.decode(), done.stderr.decode(), done.returncode) == ("", "", 0)


def free_port() -> int:
    """Return an unused port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def prometheus(directory: Path, targets: dict[str, str]) -> AsyncIterator[str]:
    """Run Prometheus, which scrapes the services every second; yield the URL of its API."""
    jobs = [
        {
            "job_name": service,
            "metrics_path": "/" + url.partition("//")[2].partition("/")[2] + "metrics",
            "static_configs": [{"targets": [url.partition("//")[2].partition("/")[0]]}],
        }
        for service, url in targets.items()
    ]
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}
    file = directory / "prometheus.yml"
    file.write_text(json.dumps(config))  # JSON is YAML
    port = free_port()
    with (directory / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(program("prometheus"), f"--config.file={file}"),
            *(f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}"),
            stderr=log,
            stdout=log,
            cwd=directory,
        )
    try:
        yield f"http://127.0.0.1:{port}/api/v1/query"
    finally:
        process.terminate()
        await process.wait()


async def test_prometheus_returns_data_for_every_query(tmp_path: Path) -> None:
    """Each query has a result after a few scrapes."""
    program("prometheus")
    async with (
        both(tmp_path) as targets,
        prometheus(tmp_path, targets) as api,
        aiohttp.ClientSession() as session,
    ):
        deadline = time.monotonic() + TIMEOUT

        async def query(expression: str) -> list[Any]:
            async with session.get(api, params={"query": expression}) as answer:
                body = await answer.json()
            assert body["status"] == "success", (expression, body)
            result: list[Any] = body["data"]["result"]
            return result

        async def scrapes() -> int:
            try:
                found = await query("min(count_over_time(up[1h]) and up == 1)")
                jobs = await query("count(up == 1)")
            except (aiohttp.ClientError, KeyError):
                return 0  # Prometheus is not ready yet
            many = jobs and jobs[0]["value"][1] == str(len(SERVICES))
            return int(found[0]["value"][1]) if found and many else 0

        while await scrapes() < 4:
            assert time.monotonic() < deadline, (tmp_path / "prometheus.log").read_text()
            await asyncio.sleep(0.2)
        empty = [panel.title for panel in panels() if not await query(sent_query(panel))]
        expected = ["Stops not completed per hour"]
        assert empty == expected
