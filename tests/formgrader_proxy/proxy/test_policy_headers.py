"""The security headers of a formgrader's responses, by kind of content."""

import pytest

from services.formgrader_proxy.access import Content
from services.formgrader_proxy.proxy.policy_headers import security_headers

URL = "https://hub.example/services/formgrader/course101/"


def headers(content: Content, frame_ancestors: str = "'self'") -> dict[str, str]:
    return dict(security_headers(content, course_url=URL, frame_ancestors=frame_ancestors))


def directives(content: Content, frame_ancestors: str = "'self'") -> dict[str, str]:
    policy = headers(content, frame_ancestors)["Content-Security-Policy"]
    parts = [directive.strip().partition(" ") for directive in policy.split(";")]
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("content", list(Content))
def test_every_response_is_protected(content: Content) -> None:
    """Against sniffing, referrers to other sites, and other origins."""
    found = headers(content)
    assert found["X-Content-Type-Options"] == "nosniff"
    assert found["Referrer-Policy"] == "same-origin"
    assert found["Cross-Origin-Opener-Policy"] == "noopener-allow-popups"
    assert found["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("content", [Content.ATTACHMENT, Content.API])
def test_content_by_students_is_sandboxed(content: Content) -> None:
    """No scripts, no origin, no forms, no frame and no cache."""
    found = directives(content)
    assert found["sandbox"] == ""
    assert found["default-src"] == "'none'"
    assert "script-src" not in found
    assert found["form-action"] == found["frame-ancestors"] == "'none'"
    assert headers(content)["X-Frame-Options"] == "DENY"
    assert headers(content)["Cache-Control"] == "private, no-store"


NONCE = "0123456789abcdef0123456789abcdef"


def policy(*nonce: str) -> dict[str, str]:
    """The directives for a page whose formgrader sent these nonces."""
    found = dict(security_headers(Content.PAGE, nonce, course_url=URL))
    parts = [part.strip().partition(" ") for part in found["Content-Security-Policy"].split(";")]
    return {name: value for name, _, value in parts}


def test_only_scripts_with_the_nonce_run() -> None:
    """Not those of the origin, which students' servers may share, and no inline ones."""
    assert policy(NONCE)["script-src"] == f"'nonce-{NONCE}'"


def test_every_response_has_its_own_policy() -> None:
    """A cached policy never contains another response's nonce."""
    other = NONCE[::-1]
    assert policy(NONCE)["script-src"] != policy(other)["script-src"]
    assert policy()["script-src"] == policy()["script-src"]
    assert NONCE not in str(policy(other))


@pytest.mark.parametrize(
    "nonces",
    [
        ("none",),
        ("",),
        ("short",),
        (NONCE, NONCE),
        (f"{NONCE}' 'unsafe-inline",),
        (f"{NONCE}; img-src *",),
        (f"{NONCE}\r\nX: y",),
        (f"{NONCE}\n",),
        ("{script}",),
    ],
    ids=repr,
)
def test_without_a_valid_nonce_no_script_runs(nonces: tuple[str, ...]) -> None:
    """Whatever a compromised formgrader sends cannot widen the policy."""
    found = policy(*nonces)
    assert found["script-src"] == "'none'"
    assert found["img-src"] == policy(NONCE)["img-src"]
    assert "unsafe-inline" not in found["script-src"]


def test_pictures_come_from_the_course_only() -> None:
    """A picture's address cannot sign the grader out or count visits."""
    sources = policy(NONCE)["img-src"].split()
    assert sources == ["data:", f"{URL}formgrader/static/", f"{URL}formgrader/submissions/"]


@pytest.mark.parametrize("nonce", [(), (NONCE,)], ids=["elsewhere", "ours"])
def test_nothing_is_allowed_by_default(nonce: tuple[str, ...]) -> None:
    """No frames, plug-ins, workers or manifests; scripts and connections only within the course."""
    found = policy(*nonce)
    assert found["default-src"] == found["base-uri"] == "'none'"
    assert not {"frame-src", "object-src", "worker-src", "child-src", "sandbox"} & found.keys()
    for name, value in found.items():
        assert name == "frame-ancestors" or "'self'" not in value
    assert found["connect-src"].startswith(URL)


def test_a_formgrader_elsewhere_keeps_its_inline_scripts() -> None:
    """nbgrader's unchanged pages need them; the scripts of other paths of the origin do not run."""
    sources = policy()["script-src"].split()
    assert URL in sources
    assert "'unsafe-inline'" in sources
    assert "https:" not in sources


@pytest.mark.parametrize(("ancestors", "legacy"), [("'self'", "SAMEORIGIN"), ("'none'", "DENY")])
def test_who_may_frame_a_page_is_a_setting(ancestors: str, legacy: str) -> None:
    """In both header fields."""
    assert directives(Content.PAGE, ancestors)["frame-ancestors"] == ancestors
    assert headers(Content.PAGE, ancestors)["X-Frame-Options"] == legacy


def test_only_static_files_may_be_cached() -> None:
    """Pages contain grades. A static file that is opened as a page is sandboxed."""
    assert directives(Content.STATIC)["sandbox"] == ""
    assert "Cache-Control" not in headers(Content.STATIC)
    assert headers(Content.PAGE)["Cache-Control"] == "private, no-store"
