"""What signing in remembers: addresses to go to, logins, owners, tokens signed out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.oauth.state import (
    LOGIN_SECONDS,
    MOST_LOGINS,
    MOST_OWNERS,
    MOST_REVOKED,
    Logins,
    Owners,
    Revoked,
    local_path,
)
from tests.fakes.clock import FakeClock

PREFIX = "/services/cull/"


@pytest.mark.parametrize(
    "target",
    [
        PREFIX,
        PREFIX + "page",
        PREFIX + "page?x=1&y=http://elsewhere/",
        PREFIX + "users/%E5%90%8D%E5%89%8D?q=%00",
        PREFIX + "a..b/...",
    ],
)
def test_own_paths_are_kept(target: str) -> None:
    """A path below the prefix, with any query, is where one goes after the login."""
    assert local_path(target, PREFIX) == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "/services/cull",
        "/services/culler/",
        "/services/other/",
        "//evil.example",
        "//evil.example/services/cull/",
        "///evil.example",
        "https://evil.example/services/cull/",
        "javascript:alert(1)",
        "\\\\evil.example",
        "/\\evil.example",
        PREFIX + "/evil.example",
        PREFIX + "\\evil.example",
        PREFIX + "..\\x",
        PREFIX + "../stats/",
        PREFIX + "./../../hub/logout",
        PREFIX + "%2e%2e/stats/",
        PREFIX + "%2E./stats/",
        PREFIX + "..%2fstats/",
        PREFIX + "%5c%5cevil.example",
        PREFIX + "%2f%2fevil.example",
        PREFIX + "x\r\nSet-Cookie: a=b",
        PREFIX + "x\ty",
        PREFIX + "x y",
        PREFIX + "x\x00",
        PREFIX + "x\x7f",
        PREFIX + "名前",
        " " + PREFIX,
        PREFIX + "x" * 2000,
    ],
)
def test_other_paths_become_the_start_page(target: str) -> None:
    """What could lead anywhere else, in any spelling, is replaced by the start page."""
    assert local_path(target, PREFIX) == PREFIX


@given(st.text(max_size=60))
def test_local_path_never_leaves(text: str) -> None:
    """Whatever is asked for, the answer is plain ASCII below the prefix."""
    for target in (text, PREFIX + text, "/" + text):
        path = local_path(target, PREFIX)
        assert path.startswith(PREFIX)
        assert path.isascii()
        assert path.isprintable()
        assert "//" not in path.partition("?")[0]
        assert "\\" not in path


def test_login_is_taken_once() -> None:
    """A state leads to its login once."""
    logins = Logins(FakeClock())
    login = logins.begin(PREFIX, "c", "v")
    assert logins.take(login.state) == login
    assert logins.take(login.state) is None


def test_login_ends_after_ten_minutes() -> None:
    """A login is good for less than 600 s, others begun later still are."""
    clock = FakeClock()
    logins = Logins(clock)
    old = logins.begin(PREFIX, "c", "v")
    clock.advance(LOGIN_SECONDS / 2)
    young = logins.begin(PREFIX, "c", "v")
    clock.advance(LOGIN_SECONDS / 2)
    assert logins.take(old.state) is None
    assert logins.take(young.state) == young


def test_logins_are_bounded() -> None:
    """Visitors who never finish cost a bounded memory; the newest logins stay."""
    logins = Logins(FakeClock())
    first = logins.begin(PREFIX, "c", "v")
    for _ in range(MOST_LOGINS):
        last = logins.begin(PREFIX, "c", "v")
    assert logins.take(first.state) is None
    assert logins.take(last.state) == last


def test_login_does_not_show_its_secrets() -> None:
    """A login that ends up in a log shows neither state nor verifier."""
    login = Logins(FakeClock()).begin(PREFIX, "cookie", "verifier")
    assert login.state not in repr(login)
    assert "verifier" not in repr(login)


def test_owner_is_known_for_its_time() -> None:
    """An owner is known until the time is over, counted from when the Hub was asked."""
    clock = FakeClock()
    owners: Owners[str] = Owners(clock, 30)
    owners.put(("s", "h"), "ada", asked_at=clock.monotonic() - 10)
    clock.advance(19)
    assert owners.get(("s", "h")) == "ada"
    clock.advance(1)
    assert owners.get(("s", "h")) is None


def test_no_owner_is_not_kept() -> None:
    """A no wipes what was known before."""
    clock = FakeClock()
    owners: Owners[str] = Owners(clock, 30)
    owners.put(("s", "h"), "ada", asked_at=clock.monotonic())
    owners.put(("s", "h"), None, asked_at=clock.monotonic())
    assert owners.get(("s", "h")) is None


def test_later_question_wins() -> None:
    """A slow answer to an older question does not replace a newer one."""
    clock = FakeClock()
    owners: Owners[str] = Owners(clock, 30)
    clock.advance(5)
    owners.put(("s", "h"), "new", asked_at=clock.monotonic())
    owners.put(("s", "h"), "old", asked_at=clock.monotonic() - 5)
    assert owners.get(("s", "h")) == "new"


def test_owners_are_forgotten_by_token() -> None:
    """Forgetting a token forgets it in all sessions, and no other token."""
    clock = FakeClock()
    owners: Owners[str] = Owners(clock, 30)
    for key in (("s", "h"), ("t", "h"), ("s", "i")):
        owners.put(key, "ada", asked_at=clock.monotonic())
    owners.forget("h")
    assert [owners.get(key) for key in (("s", "h"), ("t", "h"), ("s", "i"))] == [None, None, "ada"]


def test_owners_and_revoked_are_bounded() -> None:
    """Any number of tokens costs a bounded memory."""
    clock = FakeClock()
    owners: Owners[str] = Owners(clock, 30)
    for number in range(MOST_OWNERS + 10):
        owners.put(("s", str(number)), "ada", asked_at=clock.monotonic())
    assert owners.get(("s", "0")) is None
    revoked = Revoked()
    for number in range(MOST_REVOKED + 10):
        revoked.add(str(number))
    assert "0" not in revoked
    assert str(MOST_REVOKED) in revoked
