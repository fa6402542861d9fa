"""Logins in progress, and where a browser may go after one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.oauth.state import LOGIN_SECONDS, MAX_USED, Login, Logins, local_path
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


def make_logins(clock: FakeClock | None = None) -> Logins:
    return Logins(clock or FakeClock(), b"secret")


def test_login_is_used_once() -> None:
    """A state is valid once."""
    logins = make_logins()
    login = logins.begin(PREFIX)
    assert logins.use(login)
    assert not logins.use(login)


def test_used_states_are_kept_as_long_as_a_login_is_valid() -> None:
    """And no longer: they take bounded memory."""
    clock = FakeClock()
    logins = make_logins(clock)
    login = logins.begin(PREFIX)
    assert logins.use(login)
    clock.advance(LOGIN_SECONDS - 1)
    assert not logins.use(login)
    clock.advance(1)
    assert logins.use(login)
    for _ in range(MAX_USED):
        assert logins.use(logins.begin(PREFIX))
    assert logins.use(login)


def test_verifier_follows_from_the_state() -> None:
    """The server keeps nothing about a login; without its secret, the verifier is unknown."""
    login = make_logins().begin(PREFIX)
    assert make_logins().resume(login.state).code_verifier == login.code_verifier
    other = Logins(FakeClock(), b"other").resume(login.state)
    assert other.code_verifier != login.code_verifier


def test_login_hides_its_secrets() -> None:
    """The repr of a login, which may be logged, contains neither state nor verifier."""
    login = make_logins().begin(PREFIX)
    assert login.state not in repr(login)
    assert login.code_verifier not in repr(login)


def test_code_challenge() -> None:
    """The challenge is that of the example in RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    login = Login("state", PREFIX, verifier)
    assert login.code_challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_code_verifiers_are_long_and_unique() -> None:
    """Verifiers have 43 to 128 characters, as RFC 7636 4.1 requires, and none is used twice."""
    logins = make_logins()
    verifiers = {logins.begin(PREFIX).code_verifier for _ in range(10)}
    assert len(verifiers) == 10
    assert all(43 <= len(verifier) <= 128 for verifier in verifiers)
