"""What Prometheus is told of the formgrader proxy, by the address that it scrapes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from common.proxy.route_keeper import RouteEvent
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


async def test_every_series_is_there_before_its_first_event(site: Site) -> None:
    """With all values of the closed labels, so that a rate has a beginning."""
    samples = await scraped(site)
    for state in State:
        assert value(samples, "upstreams", state=state.value) == 0
    for event in RouteEvent:
        assert ("route_events_total", frozenset({("event", event.value)})) in samples
    for reason in ("path_query", "dot_segment", "doubled_header", "not_listed", "role"):
        assert value(samples, "refused_total", reason=reason) == 0
    assert value(samples, "websockets_open") == 0
    assert value(samples, "first_byte_seconds_count") == 0


async def test_requests_are_counted_by_course_role_and_outcome(site: Site) -> None:
    """A page, a refusal, an error of the formgrader's; and what a path was refused for."""
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
    """As long as they are open."""
    browser = await site.browser(GRADER)
    socket = await browser.session.ws_connect(site.origin + COURSE + "ws", origin=site.origin)
    await socket.send_str("there")
    assert await socket.receive_str(timeout=60) == "there"
    assert value(await scraped(site), "websockets_open") == 1
    await socket.close()
    async with asyncio.timeout(60):
        while value(await scraped(site), "websockets_open"):
            await asyncio.sleep(0.01)


async def test_names_of_courses_are_the_only_open_label(site: Site) -> None:
    """What a stranger asks for makes no series."""
    browser = await site.browser(GRADER)
    await browser.go(PREFIX + "made-up/formgrader")
    assert not any(("course", "made-up") in labels for _, labels in await scraped(site))
