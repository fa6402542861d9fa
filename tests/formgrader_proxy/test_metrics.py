"""The metrics of the formgrader proxy, as Prometheus scrapes them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from common.proxy.route_keeper import RouteEvent
from services.formgrader_proxy.courses_file.file import load_courses
from services.formgrader_proxy.upstream.endpoint import Work
from services.formgrader_proxy.upstream.supervisor import State
from tests.formgrader_proxy.site import COURSE, GRADER, PREFIX, STUDENT, Site, formgrader_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path, mode="full") as made:
        yield made


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(site: Site) -> Samples:
    async with (
        aiohttp.ClientSession() as session,
        session.get(site.origin + PREFIX + "metrics") as answer,
    ):
        text = await answer.text()
    return {
        (sample.name.removeprefix("jupyterhub_formgrader_"), frozenset(sample.labels.items())): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_every_series_exists_before_its_first_event(site: Site) -> None:
    """With all values of the closed labels, so that rates start at zero."""
    samples = await scraped(site)
    for state in State:
        assert value(samples, "upstreams", state=state.value) == 0
    for kind in Work:
        assert value(samples, "processes", kind=kind.value) == 0
    for event in RouteEvent:
        assert ("route_events_total", frozenset({("event", event.value)})) in samples
    for reason in ("path_query", "dot_segment", "doubled_header", "not_listed", "role"):
        assert value(samples, "refused_total", reason=reason) == 0
    assert value(samples, "websockets_open") == 0
    assert value(samples, "first_byte_seconds_count") == 0


async def test_requests_are_counted_by_course_role_and_outcome(site: Site) -> None:
    """A page, a refusal, errors of the formgrader, and the reason for a refused path."""
    grader = await site.browser(GRADER)
    await site.browser(STUDENT)
    site.status = 500
    await grader.go(COURSE + "formgrader")
    site.status = 404
    await grader.go(COURSE + "formgrader")
    await grader.go(COURSE + "formgrader?path=/tmp")
    samples = await scraped(site)

    def requests(role: str, outcome: str) -> float:
        return value(samples, "requests_total", course="course101", role=role, outcome=outcome)

    assert requests("grader", "ok") == 1
    assert requests("grader", "server_error") == 1
    assert requests("grader", "client_error") == 1
    assert requests("nobody", "refused") == 1
    assert value(samples, "refused_total", reason="path_query") == 1
    assert value(samples, "first_byte_seconds_count") == 3


async def test_open_websockets_are_counted(site: Site) -> None:
    """While they are open."""
    browser = await site.browser(GRADER)
    socket = await browser.session.ws_connect(site.origin + COURSE + "ws", origin=site.origin)
    await socket.send_str("there")
    assert await socket.receive_str(timeout=60) == "there"
    assert value(await scraped(site), "websockets_open") == 1
    await socket.close()
    async with asyncio.timeout(60):
        while value(await scraped(site), "websockets_open"):
            await asyncio.sleep(0.01)


async def test_unknown_courses_create_no_series(site: Site) -> None:
    """Clients cannot make up values of the course label."""
    browser = await site.browser(GRADER)
    await browser.go(PREFIX + "made-up/formgrader")
    assert not any(("course", "made-up") in labels for _, labels in await scraped(site))


async def test_managed_formgraders_are_counted_by_state(site: Site, tmp_path: Path) -> None:
    """From the moment they are configured until they are removed."""
    course = f'[[course]]\nid = "own"\ndirectory = "{tmp_path / "nowhere"}"\n'
    await site.formgraders.replace(load_courses(course))
    assert value(await scraped(site), "upstreams", state="stopped") == 1
    formgrader = site.formgraders.get("own")
    assert formgrader is not None
    formgrader.ready()
    async with asyncio.timeout(60):
        while value(samples := await scraped(site), "upstreams", state="pausing") == 0:
            await asyncio.sleep(0.01)
    assert value(samples, "upstreams", state="stopped") == 0
    await site.formgraders.replace({})
    samples = await scraped(site)
    assert [value(samples, "upstreams", state=state.value) for state in State] == [0] * len(State)
