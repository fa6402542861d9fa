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


def test_a_page_connects_to_its_own_course_only() -> None:
    """Its scripts and forms reach no other service of the Hub."""
    found = directives(Content.PAGE)
    assert found["connect-src"] == found["form-action"] == URL
    assert found["frame-src"] == found["object-src"] == found["base-uri"] == "'none'"
    assert "sandbox" not in found


@pytest.mark.parametrize(("ancestors", "legacy"), [("'self'", "SAMEORIGIN"), ("'none'", "DENY")])
def test_who_may_frame_a_page_is_a_setting(ancestors: str, legacy: str) -> None:
    """In both header fields."""
    assert directives(Content.PAGE, ancestors)["frame-ancestors"] == ancestors
    assert headers(Content.PAGE, ancestors)["X-Frame-Options"] == legacy


def test_only_static_files_may_be_cached() -> None:
    """Pages contain grades."""
    assert "Cache-Control" not in headers(Content.STATIC)
    assert headers(Content.PAGE)["Cache-Control"] == "private, no-store"
