"""The owners of tokens: how long they are cached, and tokens that were revoked."""

import asyncio

import pytest

from common.oauth.tokens import (
    MAX_OWNERS,
    MAX_REVOKED,
    Identity,
    OwnerCache,
    OwnerKey,
    RevokedTokens,
)
from tests.fakes.clock import FakeClock
from tests.fakes.site import API, PAGE, PREFIX, Site

KEY = OwnerKey("session", "hash")
ADA = Identity("ada", "user", False, frozenset(), frozenset())
BOB = Identity("bob", "user", False, frozenset(), frozenset())


# -- identities


def test_identity_of_a_user() -> None:
    """A user's name, admin flag, groups and scopes are those of the Hub's model."""
    model = {"name": "ada", "kind": "user", "admin": True, "groups": ["g"], "scopes": ["self"]}
    assert Identity.of(model) == Identity(
        "ada", "user", True, frozenset({"g"}), frozenset({"self"})
    )


@pytest.mark.parametrize("value", [None, "g", 7, [7, None], {}])
def test_identity_with_invalid_groups(value: object) -> None:
    """Groups and scopes that are not lists of strings count as none."""
    made = Identity.of({"name": "ada", "groups": value, "scopes": value})
    assert (made.groups, made.scopes) == (frozenset(), frozenset())


# -- the cache


def test_owner_is_cached_for_a_limited_time() -> None:
    """An owner is cached for 30 s, counted from when the Hub was asked."""
    clock = FakeClock()
    owners = OwnerCache(clock, 30)
    owners.put(KEY, ADA, asked_at=clock.monotonic() - 10)
    clock.advance(19)
    assert owners.get(KEY) == ADA
    clock.advance(1)
    assert owners.get(KEY) is None


def test_refusal_is_not_cached() -> None:
    """A reply without an owner removes the cached one."""
    clock = FakeClock()
    owners = OwnerCache(clock, 30)
    owners.put(KEY, ADA, asked_at=clock.monotonic())
    owners.put(KEY, None, asked_at=clock.monotonic())
    assert owners.get(KEY) is None


def test_newer_request_wins() -> None:
    """A slow reply to an older request does not replace that to a newer one."""
    clock = FakeClock()
    owners = OwnerCache(clock, 30)
    clock.advance(5)
    owners.put(KEY, BOB, asked_at=clock.monotonic())
    owners.put(KEY, ADA, asked_at=clock.monotonic() - 5)
    assert owners.get(KEY) == BOB


def test_forget_a_token() -> None:
    """A token is removed in all sessions; other tokens stay."""
    clock = FakeClock()
    owners = OwnerCache(clock, 30)
    keys = [OwnerKey("s", "h"), OwnerKey("t", "h"), OwnerKey("s", "i")]
    for key in keys:
        owners.put(key, ADA, asked_at=clock.monotonic())
    owners.forget("h")
    assert [owners.get(key) for key in keys] == [None, None, ADA]


def test_caches_are_bounded() -> None:
    """Any number of tokens takes bounded memory; the oldest are dropped."""
    clock = FakeClock()
    owners = OwnerCache(clock, 30)
    for number in range(MAX_OWNERS + 10):
        owners.put(OwnerKey("s", str(number)), ADA, asked_at=clock.monotonic())
    assert owners.get(OwnerKey("s", "0")) is None
    revoked = RevokedTokens()
    for number in range(MAX_REVOKED + 10):
        revoked.add(str(number))
    assert "0" not in revoked
    assert str(MAX_REVOKED) in revoked


# -- as users see it


async def test_group_removal_applies_after_30_seconds(cull: Site) -> None:
    """The Hub's reply about a token is used for 30 s; a removed group is gone after that."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    asked = cull.hub.count("api/user")
    cull.hub.users["ada"].groups = []
    cull.clock.advance(29)
    assert (await browser.go(PAGE)).json()["groups"] == ["students"]
    assert cull.hub.count("api/user") == asked
    cull.clock.advance(2)
    assert (await browser.go(PAGE)).json()["groups"] == []
    assert cull.hub.count("api/user") == asked + 1


async def test_fresh_skips_the_cache(cull: Site) -> None:
    """A fresh request asks the Hub, and later requests use its reply."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    cull.hub.users["ada"].groups = []
    assert (await browser.go(PREFIX + "fresh")).json()["groups"] == []
    assert (await browser.go(PAGE)).json()["groups"] == []


async def test_logout_from_the_hub_applies_at_once(cull: Site) -> None:
    """A user who signs out of the Hub is signed out here, in the same browser, at once."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    await browser.go("/hub/logout")
    answer = await browser.go(PAGE, follow=False)
    assert answer.status == 302


async def test_unknown_token_is_asked_about_again(cull: Site) -> None:
    """A token that the Hub did not know is accepted as soon as the Hub knows it."""
    browser = await cull.browser()
    token = cull.hub.add_token("ada", "access:services")
    held = cull.hub.tokens.pop(token)
    header = {"Authorization": f"token {token}"}
    assert (await browser.fetch(API, headers=header)).status == 401
    cull.hub.tokens[token] = held
    assert (await browser.fetch(API, headers=header)).status == 200


async def test_concurrent_requests_ask_the_hub_once(cull: Site) -> None:
    """Ten requests with one token at the same time cause one request to the Hub."""
    token = cull.hub.add_token("ada", "access:services")
    browser = await cull.browser()
    header = {"Authorization": f"token {token}"}
    cull.hub.hold.clear()
    asking = [asyncio.ensure_future(browser.fetch(API, headers=header)) for _ in range(10)]
    await cull.hub.waiting.wait()
    cull.hub.hold.set()
    assert {(await one).status for one in asking} == {200}
    assert cull.hub.count("api/user") == 1


async def test_deleted_user_is_signed_out(cull: Site) -> None:
    """A user deleted from the Hub is signed out within 30 s."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    del cull.hub.users["ada"]
    cull.clock.advance(31)
    assert (await browser.go(PAGE, follow=False)).status == 302


@pytest.mark.parametrize("token", ["a" * 1025, "é"])
async def test_impossible_token_is_not_sent_to_the_hub(cull: Site, token: str) -> None:
    """A header value that cannot be a Hub token is refused without asking the Hub."""
    answer = await (await cull.browser()).fetch(API, headers={"Authorization": f"token {token}"})
    assert answer.status == 401
    assert cull.hub.count("api/user") == 0
