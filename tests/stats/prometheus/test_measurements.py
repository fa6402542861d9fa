"""Measuring servers with each preset: the same answers from a fake and a real Prometheus."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from common.hub.connection import client_session
from services.stats.prometheus import measurements as measurements_module
from services.stats.prometheus.client import (
    PrometheusClient,
    PrometheusSettings,
    PrometheusUnavailable,
)
from services.stats.prometheus.measurements import (
    Answer,
    Measurements,
    Sampling,
    choose_sampling,
)
from services.stats.prometheus.presets import PRESETS, Expressions, Kind
from services.stats.query.resources.names import ServerName
from services.stats.query.resources.usage import GB, HOUR
from tests.stats.prometheus.fake import GIB, FakePrometheus, Running
from tests.stats.prometheus.real import MISSING, real_prometheus

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
ZONE = ZoneInfo("UTC")
FINE = Sampling(300, 3)
SERVERS = (
    Running(
        "jupyter-ana",
        NOON - timedelta(hours=3),
        NOON,
        memory=2 * GIB,
        memory_guarantee=3 * GIB,
        cpu_guarantee=2,
        user="ana",
    ),
    # Over midnight, and more than guaranteed
    Running(
        "jupyter-b-2eb",
        NOON + timedelta(hours=10),
        NOON + timedelta(hours=14),
        memory_guarantee=GIB / 2,
        user="b.b",
    ),
    Running("jupyter-eva", NOON, NOON + timedelta(hours=1), user="eva"),  # no guarantee
    Running("jupyter-two", NOON, NOON + timedelta(hours=1), user="two"),
    Running("jupyter-two", NOON, NOON + timedelta(hours=1), user="two", namespace="other"),
    Running("prometheus-0", NOON, NOON + timedelta(hours=1)),
)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Prometheus with SERVERS; it is only read."""
    if MISSING:
        pytest.skip(MISSING)
    with real_prometheus(SERVERS, tmp_path_factory.mktemp("prometheus")) as address:
        yield address


@pytest.fixture(params=["fake", "real"])
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The address of a Prometheus that measured SERVERS."""
    if request.param == "real":
        yield request.getfixturevalue("real")
        return
    async with FakePrometheus(SERVERS) as fake:
        yield fake.url


@asynccontextmanager
async def measuring(url: str, expressions: Expressions) -> AsyncIterator[Measurements]:
    """Measurements of that Prometheus."""
    settings = PrometheusSettings(url)
    async with client_session(url) as session:
        yield Measurements(PrometheusClient(session, settings), expressions)


async def read(url: str, expressions: Expressions, days: int = 2, per_query: int = 3) -> Answer:
    """Two days of what is measured."""
    async with measuring(url, expressions) as measurements:
        last = DAY + timedelta(days=days - 1)
        return await measurements.read(DAY, last, LATER, ZONE, Sampling(300, per_query))


@pytest.mark.parametrize("preset", PRESETS)
async def test_presets(url: str, preset: str) -> None:
    """Every preset measures each server once, by day, and no other container."""
    selector = 'namespace="hub"' if preset.startswith("kubernetes") else ""
    answer = await read(url, Expressions(preset, selector=selector))
    by_name = {(server.name, day): use for (server, day), use in answer.daily.items()}
    if selector:
        assert answer.duplicates == 0
    assert {name for name, _ in by_name if " " not in name} == {
        *("jupyter-ana", "jupyter-b-2eb", "jupyter-eva"),
        *(["jupyter-two"] if selector or (MISSING == "" and preset in ("docker", "swarm")) else []),
    } or not selector
    ana = by_name["jupyter-ana", DAY]
    # To 5 minutes: Prometheus repeats the last sample for that long.
    assert ana.memory.measured == pytest.approx(3 * HOUR, abs=600)
    assert ana.memory.used / ana.memory.measured == 2 * GIB
    assert ana.memory.peak == 2 * GIB
    assert ana.cpu.used / HOUR == pytest.approx(1.5, abs=0.1)
    assert ana.memory.unused == pytest.approx(ana.memory.guaranteed_for * GIB)
    assert by_name["jupyter-b-2eb", DAY].memory.used / HOUR / GB == pytest.approx(2, abs=0.1)
    following = by_name["jupyter-b-2eb", DAY + timedelta(days=1)].memory
    assert following.used / HOUR / GB == pytest.approx(2, abs=0.1)
    assert following.unused == 0
    assert following.larger == following.used
    eva = by_name["jupyter-eva", DAY].memory
    assert (eva.guaranteed_for, eva.guaranteed) == (0, 0)
    if Kind.CPU_GUARANTEE in answer.kinds:
        assert ana.cpu.unused / ana.cpu.guaranteed_for == pytest.approx(1.5, abs=0.1)
    else:
        assert ana.cpu.guaranteed_for == 0


async def test_annotations_name_the_user(url: str) -> None:
    """With the annotation, the user's own name comes along."""
    answer = await read(url, Expressions("kubernetes-annotations", selector='namespace="hub"'))
    found = {server for server, _ in answer.daily}
    assert ServerName("jupyter-b-2eb", "b.b") in found
    assert all(server.user for server in found)


async def test_a_name_in_two_namespaces_is_nobodys(url: str) -> None:
    """Two hubs in a cluster may have a user of the same name."""
    answer = await read(url, Expressions())
    assert answer.duplicates == 1
    assert "jupyter-two" not in {server.name for server, _ in answer.daily}
    assert "jupyter-ana" in {server.name for server, _ in answer.daily}


async def test_other_names(url: str) -> None:
    """Another prefix finds nothing, which is no error."""
    assert (await read(url, Expressions(prefix="classroom"))).daily == {}


async def test_many_slices(url: str) -> None:
    """A range longer than one query gives the same sums."""
    expressions = Expressions(selector='namespace="hub"')
    short, long = await read(url, expressions), await read(url, expressions, days=20)
    assert short.daily == long.daily
    assert short.daily == (await read(url, expressions, per_query=1)).daily


async def test_invalid_expression(url: str) -> None:
    """A mistake in PromQL is Prometheus' to find; the message says where the details are."""
    own = {Kind.MEMORY: 'sum(rate(x{pod=~"$names"}'}
    with pytest.raises(PrometheusUnavailable, match=r"HTTP 400, bad_data\); the log"):
        await read(url, Expressions(own=own))


async def test_answers_are_reused_for_a_while() -> None:
    """A page and its CSV files ask once, also at the same time; another range asks again."""
    async with FakePrometheus(SERVERS) as fake, measuring(fake.url, Expressions()) as measurements:
        both = [measurements.read(DAY, DAY, LATER, ZONE, FINE) for _ in range(2)]
        one, other = await asyncio.gather(*both)
        assert one is other
        assert len(fake.queries) == len(Kind)
        await measurements.read(DAY, DAY, LATER, ZONE, Sampling(900, 3))
        assert len(fake.queries) == 2 * len(Kind)


async def test_failures_are_not_kept() -> None:
    """The next request tries again."""
    async with FakePrometheus(SERVERS) as fake, measuring(fake.url, Expressions()) as measurements:
        fake.respond = (503, {}, b"")
        with pytest.raises(PrometheusUnavailable):
            await measurements.read(DAY, DAY, LATER, ZONE, FINE)
        fake.respond = None
        assert (await measurements.read(DAY, DAY, LATER, ZONE, FINE)).daily


async def test_all_queries_together_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that waits for another viewer's queries gives up in time, too."""
    monkeypatch.setattr(measurements_module, "MOST_SECONDS", 0.1)
    async with FakePrometheus(SERVERS) as fake, measuring(fake.url, Expressions()) as measurements:
        fake.answering.clear()
        both = (measurements.read(DAY, DAY, LATER, ZONE, Sampling(300, n)) for n in (1, 2))
        for error in await asyncio.gather(*both, return_exceptions=True):
            assert isinstance(error, PrometheusUnavailable)
            assert "more than 0.1 s; choose fewer days" in str(error)
        fake.answering.set()
        assert (await measurements.read(DAY, DAY, LATER, ZONE, FINE)).daily


async def test_half_an_answer_is_none() -> None:
    """If the third of four queries fails, no number is shown, not even those that were read."""
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakePrometheus(SERVERS))
        own = {Kind.MEMORY_GUARANTEE: "sum("}
        with pytest.raises(PrometheusUnavailable):
            await read(fake.url, Expressions(own=own))
        assert len(fake.queries) == 3


async def test_nothing_after_the_last_poll() -> None:
    """The recorder and Prometheus cover the same time."""
    async with FakePrometheus(SERVERS) as fake, measuring(fake.url, Expressions()) as measurements:
        until = NOON - timedelta(hours=1)
        answer = await measurements.read(DAY, DAY, until, ZONE, FINE)
        (use,) = answer.daily.values()
        assert use.memory.measured == 2 * HOUR
        before = NOON - timedelta(days=1)
        assert (await measurements.read(DAY, DAY, before, ZONE, FINE)).daily == {}


@pytest.mark.parametrize(
    ("days", "server_hours", "step"),
    [
        (1, 10, 300),
        (30, 1000, 300),
        (31, 80_000, 900),
        (60, 10, 900),
        (180, 10, 1800),
        (300, 10, 3600),
        (30, 10_000_000, 3600),
    ],
)
def test_step(days: int, server_hours: float, step: int) -> None:
    """Long ranges and large hubs are sampled less often."""
    last = DAY + timedelta(days=days - 1)
    assert choose_sampling(DAY, last, server_hours * HOUR).step == step


def test_large_hubs_are_read_a_day_at_a_time() -> None:
    """The memory that a query needs is bounded, and so is the number of queries."""
    small = choose_sampling(DAY, DAY + timedelta(days=29), 1000 * HOUR)
    large = choose_sampling(DAY, DAY + timedelta(days=29), 400_000 * HOUR)
    assert small == Sampling(300, 3)
    assert large == Sampling(3600, 7)
    assert choose_sampling(DAY, DAY, 10_000_000 * HOUR).days == 1
