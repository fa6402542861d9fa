"""Which header fields of a response reach the browser, and where redirects may lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from services.formgrader_proxy.proxy.response_headers import (
    PASSED,
    RedirectRefused,
    Surroundings,
    local_location,
    to_client,
)
from services.formgrader_proxy.proxy.target import PathRefused, read_target

COURSE = "/services/formgrader/course101/"
HERE = Surroundings(
    read_target(COURSE + "formgrader/submissions/s1/next?index=1"),
    3,
    frozenset({"https://hub.example", "http://10.0.0.7:8888"}),
)
SECURITY = (("Content-Security-Policy", "sandbox"), ("Cache-Control", "no-store"))


def answer(*fields: tuple[str, str], status: int = 200) -> CIMultiDict[str]:
    """What the browser receives."""
    return to_client(status, CIMultiDictProxy(CIMultiDict(fields)), HERE, added=SECURITY)


@pytest.mark.parametrize(
    "name",
    [
        *("Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Refresh", "Link", "SourceMap"),
        *("X-SourceMap", "Service-Worker-Allowed", "Access-Control-Allow-Origin", "Alt-Svc"),
        *("Access-Control-Allow-Credentials", "Timing-Allow-Origin", "Report-To", "NEL"),
        *("Reporting-Endpoints", "X-Accel-Redirect", "X-Accel-Buffering", "X-Sendfile"),
        *("X-Accel-Expires", "Strict-Transport-Security", "Public-Key-Pins", "Server", "Date"),
        *("X-Powered-By", "X-Frame-Options", "Content-Security-Policy-Report-Only", "Via"),
        *("WWW-Authenticate", "Proxy-Authenticate", "Connection", "Keep-Alive", "Upgrade"),
        *("Transfer-Encoding", "Trailer", "Origin-Trial", "Permissions-Policy", "DPoP-Nonce"),
        *("X-XSS-Protection", "Speculation-Rules", "Supports-Loading-Mode", "Set-Login"),
        *("Sec-WebSocket-Accept", "Content-Location", "X-UA-Compatible", "X-Invented-Tomorrow"),
    ],
)
def test_other_fields_are_removed(name: str) -> None:
    """Whatever could act on the browser, or on a proxy in front of this service."""
    for spelling in (name, name.lower(), name.upper()):
        passed = answer((spelling, "evil"), ("Content-Type", "text/html"))
        assert "evil" not in passed.values()
        assert dict(passed) == {"Content-Type": "text/html", **dict(SECURITY)}


def test_fields_that_describe_the_content_pass() -> None:
    """A download, a range or a cached file works as without the proxy."""
    fields = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Length": "3",
        "Content-Encoding": "gzip",
        "Content-Disposition": "attachment; filename=x.csv",
        "Content-Range": "bytes 0-2/9",
        "Accept-Ranges": "bytes",
        "ETag": '"x"',
        "Last-Modified": "Thu, 15 Jan 2026 12:00:00 GMT",
        "Vary": "Accept-Encoding",
    }
    assert dict(answer(*fields.items())) == fields | dict(SECURITY)


def test_the_security_headers_replace_those_of_the_upstream() -> None:
    """An upstream cannot weaken the policy, not even by sending it twice."""
    passed = answer(
        ("Content-Security-Policy", "default-src *"),
        ("content-security-policy", "frame-ancestors *"),
        ("Cache-Control", "public"),
    )
    assert passed.getall("Content-Security-Policy") == ["sandbox"]
    assert passed.getall("Cache-Control") == ["no-store"]


def test_fields_named_in_connection_are_removed() -> None:
    """RFC 9110 section 7.6.1."""
    assert "ETag" not in answer(("Connection", "etag"), ("ETag", "x"))


@pytest.mark.parametrize(
    "types",
    [
        ["text/html, text/plain"],
        ["text/html\u2028"],
        ["html"],
        [""],
        ["text/html; charset"],
        ["text/plain", "text/html"],
        ["text/html", "text/html"],
    ],
)
def test_an_ambiguous_type_is_a_download(types: list[str]) -> None:
    """A browser must not choose what it is."""
    passed = answer(*(("Content-Type", one) for one in types))
    assert passed.getall("Content-Type") == ["application/octet-stream"]


@pytest.mark.parametrize(
    "text",
    [
        "text/html",
        "text/html; charset=UTF-8",
        "image/svg+xml",
        'multipart/byteranges; boundary="a b"',
        "application/vnd.ms-excel;",
    ],
)
def test_an_ordinary_type_passes(text: str) -> None:
    """With its parameters."""
    assert answer(("Content-Type", text))["Content-Type"] == text


@pytest.mark.parametrize(
    ("location", "local"),
    [
        (COURSE + "formgrader/manage_assignments", COURSE + "formgrader/manage_assignments"),
        (COURSE, COURSE),
        ("s2/?index=3", COURSE + "formgrader/submissions/s1/s2/?index=3"),
        ("/services/formgrader/course101/lab#a", COURSE + "lab#a"),
        ("https://hub.example" + COURSE + "lab", COURSE + "lab"),
        ("http://10.0.0.7:8888" + COURSE + "lab?x=1", COURSE + "lab?x=1"),
        (
            COURSE + "formgrader/gradebook/\u00dcbung 1/Teil 2",
            COURSE + "formgrader/gradebook/%C3%9Cbung%201/Teil%202",
        ),
    ],
)
def test_redirects_below_the_course_become_paths(location: str, local: str) -> None:
    """nbgrader writes names without encoding them; an absolute address loses its origin."""
    assert local_location(location, HERE) == local
    assert answer(("Location", location), status=302)["Location"] == local


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/",
        "https://evil.example" + COURSE,
        "https://hub.example.evil.example" + COURSE,
        "https://hub.example@evil.example" + COURSE,
        "http://hub.example" + COURSE,
        "//evil.example" + COURSE,
        "///evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https:/" + COURSE,
        "javascript:alert(1)",
        "data:text/html,x",
        "\t//evil.example",
        "http://[evil" + COURSE,
        "/hub/logout",
        "/user/mallory/",
        "/services/formgrader/course102/formgrader",
        "/services/formgrader/course101",
        "/services/formgrader/",
        COURSE + "../course102/",
        COURSE + "%2e%2e/course102/",
        COURSE + "..\\course102/",
        "../../../../../../hub/",
        "\udcff",
    ],
)
def test_redirects_elsewhere_are_refused(location: str) -> None:
    """Not even to another course. Without a redirecting status, only the field is removed."""
    assert local_location(location, HERE) is None
    for status in (301, 302, 303, 307, 308):
        with pytest.raises(RedirectRefused):
            answer(("Location", location), status=status)
    assert "Location" not in answer(("Location", location), status=201)


def test_two_locations_are_refused() -> None:
    """Browsers differ in which one they follow."""
    with pytest.raises(RedirectRefused):
        answer(("Location", COURSE), ("Location", COURSE), status=302)


def test_a_file_created_keeps_its_location() -> None:
    """In full mode, JupyterLab creates files and reads where they are."""
    passed = answer(("Location", COURSE + "api/contents/x.ipynb"), status=201)
    assert passed["Location"] == COURSE + "api/contents/x.ipynb"


pieces = st.sampled_from(
    [
        *("/", "//", "\\", "..", ".", "%2e", "%2f", "?", "#", "@", ":", "https:", "hub.example"),
        *("evil.example", "services", "formgrader", "course101", "course102", "\t", " ", "\u00fc"),
    ]
)


@given(st.lists(pieces, max_size=10).map("".join) | st.text(max_size=20))
def test_whatever_a_redirect_is_it_stays_below_the_course(location: str) -> None:
    """Resolved as a browser does, its path begins with that of the course."""
    local = local_location(location, HERE)
    if local is None:
        return
    assert local.startswith(COURSE)
    assert local.isascii()
    try:
        found = read_target(local.partition("#")[0])
    except PathRefused:
        pytest.fail("an ambiguous address")
    assert found.segments[:3] == ("services", "formgrader", "course101")


@given(st.lists(st.tuples(st.sampled_from(["Set-Cookie", "ETag", "X-A"]) | st.text(), st.text())))
def test_no_field_passes_that_is_not_on_the_list(fields: list[tuple[str, str]]) -> None:
    """However they are named."""
    security = {name.lower() for name, _ in SECURITY}
    assert {name.lower() for name in answer(*fields)} <= PASSED | security
