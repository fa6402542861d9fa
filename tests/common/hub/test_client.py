"""The Hub client with a fake Hub that can be made to fail."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest

from common.errors import (
    HubBadResponse,
    HubError,
    HubFailed,
    HubForbidden,
    HubNotFound,
    HubRejected,
    HubUnavailable,
)
from common.hub.client import HubClient, StopOutcome
from common.hub.models import User
from common.hub.retry import Retry
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub

NAMES = [
    "a{b}",
    "q?x=1",
    "q",
    "h#frag",
    "%41",
    "A",
    "名前",
    "sp ace",
    "a%2Fb",
    "..",
    "a&b=c;d",
    "+",
]


async def everyone(pages: AsyncIterator[list[User]]) -> list[User]:
    return [user async for page in pages for user in page]


def populate(fake_hub: FakeHub, count: int) -> None:
    for number in range(count):
        fake_hub.add_user(f"user{number:05}")


async def test_all_pages_are_read(fake_hub: FakeHub, hub: HubClient) -> None:
    """Every user is listed once, in pages of 200."""
    populate(fake_hub, 501)
    users = await everyone(hub.users())
    assert len({user.name for user in users}) == len(users) == 501
    assert len(fake_hub.requests("GET", "/users")) == 3


async def test_a_short_or_empty_page_is_not_taken_for_the_last(
    fake_hub: FakeHub, hub: HubClient
) -> None:
    """``state=ready`` filters after the page is cut, so a page may be empty in between."""
    for number in range(600):
        fake_hub.add_server(f"user{number:05}", ready=number >= 500, pending="spawn")
    users = await everyone(hub.users(state="ready"))
    assert len(users) == 100


async def test_overlapping_pages_give_nobody_twice(fake_hub: FakeHub, hub: HubClient) -> None:
    """A user added in front shifts the pages; no user is listed twice."""
    populate(fake_hub, 450)

    def shift(request: Any) -> None:
        if "offset=195" in request.raw_path:
            fake_hub.users = {
                "aaa": fake_hub.users.get("aaa") or fake_hub.add_user("aaa"),
                **fake_hub.users,
            }

    fake_hub.before = shift
    names = [user.name for user in await everyone(hub.users())]
    assert len(names) == len(set(names)) >= 450


@pytest.mark.parametrize(("gone", "missed", "gaps"), [(1, 0, 0), (4, 0, 0), (5, 0, 1), (20, 15, 1)])
async def test_departures_while_reading_hide_nobody_else_or_are_told(
    fake_hub: FakeHub, hub: HubClient, gone: int, missed: int, gaps: int
) -> None:
    """Pages overlap, so that a few deleted users cause no gap; more are noticed."""
    populate(fake_hub, 450)

    def leave(request: Any) -> None:
        if "offset=195" in request.raw_path:
            for number in range(gone):
                fake_hub.users.pop(f"user{number:05}", None)

    fake_hub.before = leave
    assert len(await everyone(hub.users())) == 450 - missed
    assert hub.gaps == gaps


async def test_a_quiet_hub_shows_no_gaps(fake_hub: FakeHub, hub: HubClient) -> None:
    """If nothing changes, no gap is reported, not even in filtered listings."""
    for number in range(450):
        fake_hub.add_server(f"user{number:05}", ready=number % 3 == 0, pending="spawn")
    await everyone(hub.users())
    assert len(await everyone(hub.users(state="ready"))) == 150
    assert hub.gaps == 0


async def test_an_early_end_of_reading_leaves_no_request_behind(
    fake_hub: FakeHub, hub: HubClient
) -> None:
    """A caller that stops early causes at most one more request."""
    populate(fake_hub, 1000)
    async for _ in hub.users():
        break
    assert len(fake_hub.requests("GET", "/users")) <= 2


@pytest.mark.parametrize(
    "following",
    ['{"offset": 0}', '{"offset": 200}', '{"offset": -5}', '{"offset": 100000}'],
)
async def test_a_looping_next_is_not_followed(
    fake_hub: FakeHub, hub: HubClient, following: str
) -> None:
    """An invalid pagination link is an error, after the pages before it are returned."""
    populate(fake_hub, 1000)
    body = '{"items": [{"name": "one"}], "_pagination": {"total": 1000, "next": %s}}'
    fake_hub.fail("body", path="offset=195", body=body % following, times=9)
    seen: list[str] = []

    async def read() -> None:
        async for page in hub.users():
            seen.extend(user.name for user in page)

    with pytest.raises(HubBadResponse, match="invalid pagination link"):
        await read()
    assert len(seen) == 201
    assert len(fake_hub.requests("GET", "/users")) == 2


@pytest.mark.parametrize("following", ['"/users?offset=200"', '{"offset": "x"}', "{}", "7"])
async def test_a_next_that_cannot_be_read_fails_the_listing(
    fake_hub: FakeHub, hub: HubClient, following: str
) -> None:
    """Invalid pagination is never taken for the end of the listing."""
    body = f'{{"items": [], "_pagination": {{"next": {following}}}}}'
    fake_hub.fail("body", body=body, times=9)
    with pytest.raises(HubBadResponse):
        await everyone(hub.users())


async def test_a_foreign_next_never_gets_the_token(fake_hub: FakeHub, hub: HubClient) -> None:
    """The next page is requested from the configured Hub, whatever host the link names."""
    populate(fake_hub, 300)
    async with FakeHub() as foreign:
        body = (
            '{"items": [{"name": "first"}], "_pagination": {"next": {"offset": 200, "url": '
            f'"{foreign.api_url}/users?offset=200"}}}}}}'
        )
        fake_hub.fail("body", path="/users?limit", body=body)
        users = await everyone(hub.users())
        assert foreign.seen == []
    assert [user.name for user in users] == ["first", *(f"user{n:05}" for n in range(195, 300))]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 502},
        {"kind": "status", "status": 503, "headers": {"Retry-After": "7"}},
        {"kind": "status", "status": 429, "headers": {"Retry-After": "7"}},
        {"kind": "status", "status": 504},
        {"kind": "body", "body": "{nonsense"},
        {"kind": "body", "body": "<html>the proxy's page</html>"},
        {"kind": "body", "body": "[]"},
        {"kind": "body", "body": '"users"'},
        {"kind": "body", "body": '{"items": []}'},
        {"kind": "body", "body": "[" * 100_000},
        {"kind": "cut"},
        {"kind": "reset"},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault.get('status', fault.get('body', ''))!s:.30}",
)
async def test_one_fault_on_a_page_costs_nothing(
    fake_hub: FakeHub, hub: HubClient, fault: dict[str, Any]
) -> None:
    """A page that fails once is retried, and the listing is complete."""
    populate(fake_hub, 450)
    fake_hub.fail(path="offset=195", **fault)
    assert len(await everyone(hub.users())) == 450


async def test_retry_after_is_honoured(fake_hub: FakeHub, hub: HubClient, clock: FakeClock) -> None:
    """``Retry-After`` is a lower bound for the wait."""
    fake_hub.fail("status", status=503, headers={"Retry-After": "7"})
    await hub.info()
    assert max(clock.slept) >= 7


async def test_retry_after_as_a_date_is_counted_on_the_hubs_clock(
    fake_hub: FakeHub, hub: HubClient, clock: FakeClock
) -> None:
    """A date in ``Retry-After`` is compared with the response's Date, not with the local clock."""
    clock.start += timedelta(days=3)
    date = (START + timedelta(seconds=9)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    fake_hub.fail("status", status=429, headers={"Retry-After": date})
    await hub.info()
    assert max(clock.slept) == 9


async def test_a_hanging_page_ends_with_its_time_limit(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A request without a response times out and is retried."""
    hub = HubClient(session, fake_hub.api_url, fake_hub.token, clock=clock, timeout_seconds=0.2)
    populate(fake_hub, 3)
    fake_hub.fail("hang")
    assert len(await everyone(hub.users())) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, HubRejected),
        (401, HubForbidden),
        (403, HubForbidden),
        (404, HubNotFound),
        (409, HubRejected),
        (302, HubBadResponse),
        (500, HubFailed),
        (503, HubUnavailable),
    ],
)
async def test_each_status_has_its_error(
    fake_hub: FakeHub, hub: HubClient, status: int, error: type[HubError]
) -> None:
    """Errors contain the status and URL, but not the token."""
    fake_hub.fail("status", status=status, times=9, headers={"Location": "http://evil/"})
    with pytest.raises(error) as raised:
        await hub.user("ana")
    assert raised.value.status == status
    assert raised.value.url.endswith("/users/ana")
    assert fake_hub.token not in f"{raised.value!r} {raised.value}"


async def test_no_hub_is_unavailable(fake_hub: FakeHub, hub: HubClient) -> None:
    """A refused connection means that the Hub is unavailable."""
    await fake_hub.stop()
    with pytest.raises(HubUnavailable, match="cannot connect"):
        await hub.info()


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        ({"kind": "drop_after"}, 1),
        ({"kind": "reset"}, 1),
        ({"kind": "status", "status": 500}, 1),
        ({"kind": "status", "status": 502}, 1),
        ({"kind": "status", "status": 504}, 1),
        ({"kind": "status", "status": 503}, 2),
        ({"kind": "status", "status": 429}, 2),
        ({"kind": "status", "status": 429, "headers": {"Retry-After": "1"}}, 2),
        ({"kind": "status", "status": 503, "headers": {"Retry-After": "7"}}, 1),
    ],
    ids=lambda value: str(value),
)
async def test_a_stop_is_repeated_only_where_it_was_surely_not_begun(
    fake_hub: FakeHub, hub: HubClient, fault: dict[str, Any], sent: int
) -> None:
    """A second DELETE might stop a new server, so it is only sent if it is safe, and soon."""
    fake_hub.add_server("ana")
    fake_hub.fail(method="DELETE", **fault)
    if sent == 1:
        with pytest.raises(HubError):
            await hub.stop_server("ana", "")
    else:
        assert await hub.stop_server("ana", "") is StopOutcome.STOPPED
    assert len(fake_hub.requests("DELETE")) == sent


async def test_an_older_hub_fails_where_the_user_is_gone(fake_hub: FakeHub, hub: HubClient) -> None:
    """JupyterHub 4 and 5 respond 500 for a missing user; otherwise it is a failure of the Hub."""
    fake_hub.add_server("ana")
    fake_hub.fail("status", status=500, method="DELETE", times=2)
    assert await hub.stop_server("cleo", "") is StopOutcome.GONE
    with pytest.raises(HubFailed):
        await hub.stop_server("ana", "")
    fake_hub.fail("status", status=500, method="*", times=2)
    with pytest.raises(HubFailed):
        await hub.stop_server("cleo", "")


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_reaches_its_own_user_and_nobody_else(
    fake_hub: FakeHub, hub: HubClient, name: str
) -> None:
    """Names are quoted as one segment; a user with a similar name is not affected."""
    for user in NAMES:
        fake_hub.add_server(user)
        fake_hub.add_server(user, name)
    assert (await hub.user(name)).name == name
    assert (await hub.server(name, name) or User(name="")).name == name
    assert await hub.stop_server(name, name, remove=True) is StopOutcome.STOPPED
    assert await hub.stop_server(name, "") is StopOutcome.STOPPED
    assert fake_hub.stopped == [(name, name), (name, "")]
    assert fake_hub.removed == [(name, name)]
    assert await hub.delete_user(name)
    assert fake_hub.deleted_users == [name]
    assert all(unquote(seen.raw_path).isprintable() for seen in fake_hub.seen)


async def test_a_stop_says_what_became_of_it(fake_hub: FakeHub, hub: HubClient) -> None:
    """Stopped, still stopping and not found are three outcomes."""
    fake_hub.add_server("ana")
    fake_hub.add_server("bob", slow_stop=2)
    assert await hub.stop_server("ana", "") is StopOutcome.STOPPED
    assert await hub.stop_server("bob", "") is StopOutcome.PENDING
    assert await hub.stop_server("cleo", "") is StopOutcome.GONE
    assert await hub.delete_user("cleo") is False


async def test_an_older_hub_is_asked_for_the_whole_user(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Before JupyterHub 6 a single server cannot be read; the 405 is remembered."""
    async with FakeHub(version="5.3.0") as fake:
        hub = HubClient(session, fake.api_url, fake.token, clock=clock)
        fake.add_server("ana", "gpu")
        for _ in range(2):
            server = await hub.server("ana", "gpu")
            assert server is not None
        assert await hub.server("ana", "other") is None
        assert await hub.server("nobody", "") is None
        assert len(fake.requests("GET", "/servers/")) == 1


async def test_a_server_that_is_gone_is_none(fake_hub: FakeHub, hub: HubClient) -> None:
    """Only status 404 means that a server does not exist."""
    assert await hub.server("ana", "") is None
    fake_hub.fail("status", status=403, times=9)
    with pytest.raises(HubForbidden):
        await hub.server("ana", "")


async def test_the_hubs_clock_is_the_clock(
    fake_hub: FakeHub, hub: HubClient, clock: FakeClock
) -> None:
    """The Hub's time is known and advances even if the local clock is three days ahead."""
    clock.start += timedelta(days=3)
    assert hub.hub_now() == clock.now()
    await hub.info()
    assert hub.hub_now() == START
    clock.elapsed += 60
    assert hub.hub_now() == START + timedelta(seconds=60)


async def test_a_slow_answer_does_not_set_the_clock_back(
    fake_hub: FakeHub, hub: HubClient, clock: FakeClock
) -> None:
    """The Hub dates a response when it receives the request, so a slow one carries an old date."""
    await hub.info()

    def take_long(request: Any) -> None:
        clock.elapsed += 10

    fake_hub.before = take_long
    await hub.info()
    assert hub.hub_now() == START + timedelta(seconds=10)


async def test_a_hub_whose_clock_is_set_back_is_believed(fake_hub: FakeHub, hub: HubClient) -> None:
    """A date that contradicts the current estimate replaces it."""
    await hub.info()
    fake_hub.now = lambda: START - timedelta(hours=1)
    await hub.info()
    assert hub.hub_now() == START - timedelta(hours=1)


async def test_the_token_and_the_form_of_pages_go_with_each_request(
    fake_hub: FakeHub, hub: HubClient
) -> None:
    """Listings request pagination explicitly; otherwise the Hub truncates the list silently."""
    await everyone(hub.users())
    (seen,) = fake_hub.seen
    assert seen.token == fake_hub.token
    assert seen.accept == "application/jupyterhub-pagination+json"


async def test_groups_are_read_page_by_page(fake_hub: FakeHub, hub: HubClient) -> None:
    """Groups are listed with their members, also beyond the first page."""
    fake_hub.scopes = ["list:groups"]
    for number in range(250):
        fake_hub.groups[f"g{number:03}"] = {}
    fake_hub.add_user("ana", groups=["g007"])
    groups = [group async for page in hub.groups() for group in page]
    assert len(groups) == 250
    assert groups[7].users == ("ana",)
    assert (await hub.group("g007")).users == ("ana",)


async def test_every_attempt_is_observed(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Failed attempts are reported, too, with the endpoint and never with a name."""
    heard: list[tuple[str, str, int | None]] = []
    hub = HubClient(
        session,
        fake_hub.api_url,
        fake_hub.token,
        clock=clock,
        retry=Retry(attempts=2),
        on_request=lambda endpoint, method, status, seconds: heard.append(
            (endpoint, method, status)
        ),
    )
    fake_hub.add_user("ana")
    fake_hub.fail("status", status=502)
    await hub.user("ana")
    assert heard == [("user", "GET", 502), ("user", "GET", 200)]


async def test_metrics_that_may_not_be_read_are_none(fake_hub: FakeHub, hub: HubClient) -> None:
    """Without ``read:metrics`` the metrics are None, which is not an error."""
    assert await hub.metrics() is None
    fake_hub.metrics_text = "process_start_time_seconds 1.0\n"
    assert await hub.metrics() == "process_start_time_seconds 1.0\n"
