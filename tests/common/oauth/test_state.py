"""Logins in progress, and where a browser may go after one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.oauth.state import LOGIN_SECONDS, MAX_LOGINS, Login, Logins, local_path
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
def test_local_path_is_kept(target: str) -> None:
    """A path below the prefix, with any query, is kept."""
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
def test_other_target_becomes_the_start_page(target: str) -> None:
    """A target that could lead elsewhere is replaced by the start page, however it is encoded."""
    assert local_path(target, PREFIX) == PREFIX


@given(st.text(max_size=60))
def test_local_path_never_leaves(text: str) -> None:
    """For any target, the result is plain ASCII below the prefix."""
    for target in (text, PREFIX + text, "/" + text):
        path = local_path(target, PREFIX)
        assert path.startswith(PREFIX)
        assert path.isascii()
        assert path.isprintable()
        assert "//" not in path.partition("?")[0]
        assert "\\" not in path


def test_login_is_taken_once() -> None:
    """A state is valid once."""
    logins = Logins(FakeClock())
    login = logins.begin(PREFIX, "c")
    assert logins.take(login.state) == login
    assert logins.take(login.state) is None


def test_login_expires_after_ten_minutes() -> None:
    """A login expires after 600 s; one that was started later does not."""
    clock = FakeClock()
    logins = Logins(clock)
    old = logins.begin(PREFIX, "c")
    clock.advance(LOGIN_SECONDS / 2)
    young = logins.begin(PREFIX, "c")
    clock.advance(LOGIN_SECONDS / 2)
    assert logins.take(old.state) is None
    assert logins.take(young.state) == young


def test_logins_are_bounded() -> None:
    """Unfinished logins take bounded memory; the newest ones are kept."""
    logins = Logins(FakeClock())
    first = logins.begin(PREFIX, "c")
    for _ in range(MAX_LOGINS):
        last = logins.begin(PREFIX, "c")
    assert logins.take(first.state) is None
    assert logins.take(last.state) == last


def test_login_hides_its_secrets() -> None:
    """The repr of a login, which may be logged, contains neither state nor verifier."""
    login = Logins(FakeClock()).begin(PREFIX, "cookie")
    assert login.state not in repr(login)
    assert login.code_verifier not in repr(login)


def test_code_challenge() -> None:
    """The challenge is that of the example in RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    login = Login("state", PREFIX, "cookie", verifier, started=0.0)
    assert login.code_challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_code_verifiers_are_long_and_unique() -> None:
    """Verifiers have 43 to 128 characters, as RFC 7636 4.1 requires, and none is used twice."""
    logins = Logins(FakeClock())
    verifiers = {logins.begin(PREFIX, "c").code_verifier for _ in range(10)}
    assert len(verifiers) == 10
    assert all(43 <= len(verifier) <= 128 for verifier in verifiers)
