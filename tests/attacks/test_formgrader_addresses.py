"""Scripts and patterns in the addresses of nbgrader's pages: none of them reaches a formgrader."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.formgrader_proxy.names import is_harmless
from tests.attacks.raw_requests import IN_A_TAB, grader_cookie, raw
from tests.formgrader_proxy.site import COURSE, GRADER, INSTRUCTOR, Site, formgrader_site


@pytest.fixture(params=["listed", "full"])
async def site(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """An external formgrader (``url``) in each mode."""
    async with formgrader_site(tmp_path, mode=request.param) as made:
        yield made


PRINTED = [
    "formgrader/gradebook/{}",
    "formgrader/gradebook/ps1/{}",
    "formgrader/manage_submissions/{}",
    "formgrader/manage_students/{}",
    "formgrader/manage_students/ada/{}",
]
SCRIPTS = [
    "%22%3Bwindow.x=1%3B%22",
    "%22-alert(1)-%22",
    "%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E".replace("/", "%2F"),
    "%3Cimg src=x onerror=alert(1)%3E".replace(" ", "%20"),
    "'-alert(1)-'",
    "%5C%22",
    "a%60b",
    "$%7Balert(1)%7D",
    "a&quot;",
    "a%E2%80%A8alert(1)",
    "javascript:alert(1)",
    "x%20onload=alert(1)",
    "%2522%253Balert(1)",
    "a%E2%80%AEb",
]


@pytest.mark.attack("script in an address")
@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_script_in_an_address_is_refused(site: Site, script: str) -> None:
    """In every place where nbgrader prints the address, in both modes, for every role."""
    for user in (GRADER, INSTRUCTOR):
        cookie, _ = await grader_cookie(site, user)
        for template in PRINTED:
            status, answer = await raw(
                site,
                f"GET {COURSE}{template.format(script)} HTTP/1.1\nHost: hub\n{IN_A_TAB}"
                f"Cookie: {cookie}\nAccept: text/html\nConnection: close",
            )
            assert status == 400
            assert unquote(script).encode() not in answer
    assert site.seen == []


async def test_the_page_explains_what_is_wrong(site: Site) -> None:
    """Which name, which character, what is accepted, and what to do; with nothing to execute."""
    browser = await site.browser(GRADER)
    page = await browser.go(COURSE + "formgrader/gradebook/ps1/%22%3Bwindow.x=1%3B%22")
    assert page.status == 400
    assert "This address contains an invalid name" in page.text
    assert "U+0022 (quotation mark)" in page.text
    assert "may contain letters and digits of any script" in page.text
    assert "rename the assignment, the notebook or the student" in page.text
    assert "If someone sent you a link to this page, it may be an attack" in page.text
    assert "window.x\ufffd1" in page.text  # the equals sign is refused, too


@pytest.mark.attack("argument of a page")
@pytest.mark.parametrize(
    "address",
    [
        "formgrader/submissions/s1/next?index=1%22%3E%3Cscript%3E",
        "formgrader/submissions/s1/next?index=%0d%0aSet-Cookie:x=y",
        "formgrader/submissions/s1/?index=1&index=%3Cb%3E",
        "formgrader/submissions/s1/prev?index=https://evil.example/",
        "formgrader/gradebook?token=guessed",
        "formgrader/manage_students?_method=DELETE",
        "formgrader/api/grades?submission_id=%3Cb%3E",
        "formgrader/api/assignments?callback=alert",
    ],
)
async def test_other_arguments_are_refused(site: Site, address: str) -> None:
    """nbgrader puts the index into a redirect; a token would replace the service's own."""
    cookie, token = await grader_cookie(site)
    status, _ = await raw(
        site,
        f"GET {COURSE}{address} HTTP/1.1\nHost: hub\nCookie: {cookie}\nX-CSRFToken: {token}\n"
        "Connection: close",
    )
    assert status == 400
    assert site.seen == []


@pytest.mark.attack("hostile name through the API")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "formgrader/api/student/%3Cimg%20src=x%20onerror=alert(1)%3E"),
        ("PUT", "formgrader/api/assignment/%22%3Balert(1)%3B%22"),
        ("POST", "formgrader/api/submission/ps1/*/autograde"),
        ("POST", "formgrader/api/submission/*/ada/autograde"),
        ("POST", "formgrader/api/assignment/ps1/%5Bab%5D/release_feedback"),
        ("POST", "formgrader/api/assignment/%7Bnbgrader_step%7D/assign"),
    ],
)
async def test_hostile_names_are_not_stored(site: Site, method: str, path: str) -> None:
    """Pages would show them later; a pattern would apply to everyone's submissions."""
    browser = await site.browser(INSTRUCTOR)
    site.seen.clear()
    assert await site.send(browser, method, path, data=b"{}") == 400
    assert site.seen == []
    assert await site.audit.newest("course101") == []


@pytest.mark.attack("private file as an attachment")
@pytest.mark.parametrize(
    "name",
    [
        "gradebook.db",
        "GRADEBOOK.DB",
        "gradebook%2edb",
        "gradebook.db-wal",
        "gradebook.db%20",
        "data/gradebook.db",
        "%EF%BD%87radebook.db",
        "grade%E2%80%8Bbook.db",
        "nbgrader_config.py",
        "nbgrader%5fconfig.py",
        ".ssh/id_ed25519",
        "%2eenv",
    ],
)
async def test_private_files_are_not_served(site: Site, name: str) -> None:
    """In any spelling: as an attachment, such a file is a copy of, or a link to, what is secret."""
    cookie, _ = await grader_cookie(site)
    status, _ = await raw(
        site,
        f"GET {COURSE}formgrader/submissions/s1/{name} HTTP/1.1\nHost: hub\n{IN_A_TAB}"
        f"Cookie: {cookie}\nConnection: close",
    )
    assert status == 404
    assert site.seen == []


hostile = st.text(st.sampled_from("\"'<>&;=:`\\/%{}()[]*?#\n\u2028\u202eab1 .-\u00fc"), max_size=8)
name = hostile | st.text(max_size=8) | st.sampled_from(["ps1", "ada@example.org", "\u00dcbung 1"])
template = st.sampled_from(
    [
        *PRINTED,
        *("formgrader/{}", "{}/gradebook/ps1", "formgrader/gradebook/{}/{}/", "formgrader/x/{}"),
        *("formgrader/api/notebooks/{}", "formgrader/api/student/{}", "formgrader/static/{}"),
        "formgrader/submissions/{}/next",
    ]
)
query = st.just("") | st.just("?index=1") | hostile.map(lambda text: f"?index={quote(text)}")


@pytest.mark.attack("script in an address")
async def test_whatever_an_address_is_the_formgrader_sees_accepted_characters(
    tmp_path: Path,
) -> None:
    """Names of hostile pieces, encoded or not, in every place of an address."""
    addresses: set[str] = {COURSE + "formgrader/gradebook/ps1"}

    @settings(
        max_examples=400,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(template, name, name, query, st.booleans())
    def collect(where: str, first: str, second: str, arguments: str, encoded: bool) -> None:
        parts = [first, second]
        if encoded:
            parts = [quote(part, safe="", errors="replace") for part in parts]
        addresses.add(COURSE + where.format(*parts) + arguments)

    collect()
    async with formgrader_site(tmp_path) as site:
        cookie, token = await grader_cookie(site)
        for address in sorted(addresses):
            line = address.encode("utf-8", "replace").decode("latin-1").replace("\n", "%0a")
            await raw(
                site,
                f"GET {line} HTTP/1.1\nHost: hub\nCookie: {cookie}\nX-CSRFToken: {token}\n"
                "Connection: close",
            )
        assert site.seen
        for seen in site.seen:
            path, _, arguments = seen.raw_target.removeprefix(COURSE).partition("?")
            assert arguments in {"", "index=1"} or arguments.removeprefix("index=").isdigit()
            also = "'" if path.startswith("formgrader/api/student/") else ""
            for segment in path.split("/"):
                assert all(is_harmless(one) or one in also for one in unquote(segment)), path
