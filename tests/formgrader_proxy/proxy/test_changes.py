"""Recording a change in the audit log around forwarding it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.errors import StoreError
from services.formgrader_proxy.proxy.changes import field_names
from services.formgrader_proxy.proxy.request_body import LISTED
from services.formgrader_proxy.store.audit import Change
from tests.formgrader_proxy.site import GRADER, INSTRUCTOR, Site, formgrader_site

GRADE = "formgrader/api/grade/g1"
AUTOGRADE = "formgrader/api/submission/ps1/ana/autograde"
FLAG = "formgrader/api/submitted_notebook/n1/flag"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"manual_score": 4, "extra_credit": null}', ("extra_credit", "manual_score")),
        (b"{}", ()),
        (b"", ()),
        (b"[1]", ()),
        (b'"text"', ()),
        (b"\xff", ()),
        (b"{not JSON", ()),
        (b'{"a b": 1, "<b>": 1, "ok": 1}', ("ok",)),
        (json.dumps({"x" * 41: 1, "y" * 40: 1}).encode(), ("y" * 40,)),
        (b"[" * 100_000, ()),
    ],
)
def test_the_names_of_fields(body: bytes, names: tuple[str, ...]) -> None:
    """Only names that look like nbgrader's, and never a value."""
    assert field_names(body) == names


def test_the_number_of_names_is_limited() -> None:
    """A large body does not make a large entry."""
    assert len(field_names(json.dumps({f"x{n}": 1 for n in range(100)}).encode())) == 20


@pytest.mark.parametrize("path", [GRADE, FLAG])
async def test_a_body_that_is_too_large_is_refused(site: Site, path: str) -> None:
    """A change is small; nothing is recorded or forwarded."""
    browser = await site.browser(GRADER)
    site.seen.clear()
    method = "PUT" if path == GRADE else "POST"
    assert await site.send(browser, method, path, data=bytes(LISTED.size + 1)) == 413
    assert site.seen == []
    assert await site.audit.newest("course101") == []
    assert await site.send(browser, method, path, data=bytes(LISTED.size)) == 200
    assert len(site.seen[-1].body) == LISTED.size


async def test_the_fields_of_other_actions_are_not_recorded(site: Site) -> None:
    """They have none of interest."""
    browser = await site.browser(GRADER)
    assert await site.send(browser, "POST", FLAG, data=b'{"x": 1}') == 200
    assert site.seen[-1].body == b'{"x": 1}'
    (change,) = await site.audit.newest("course101")
    assert (change.action, change.fields) == ("flag", ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"success": true, "log": "done"}', True),
        ('{"success": false, "error": "refused"}', False),
        (json.dumps({"success": False, "log": "x" * 3_000_000}), False),
        ('{"success": 1}', None),
        ("[" * 100_000, None),
        ("formgrader", None),
    ],
    ids=["true", "false", "long", "number", "deep", "text"],
)
async def test_the_result_of_an_action(site: Site, text: str, expected: bool | None) -> None:
    """nbgrader answers with 200 even if it failed; the audit log has what it reported."""
    site.text = text
    browser = await site.browser(INSTRUCTOR)
    assert await site.send(browser, "POST", AUTOGRADE) == 200
    assert "Accept-Encoding" not in site.seen[-1].headers
    (change,) = await site.audit.newest("course101")
    assert (change.action, change.status, change.succeeded) == ("autograde", 200, expected)


async def test_other_changes_have_no_result(site: Site) -> None:
    """A score is an object of its own, whatever its names are."""
    site.text = '{"success": false}'
    browser = await site.browser(GRADER)
    assert await site.send(browser, "POST", FLAG) == 200
    (change,) = await site.audit.newest("course101")
    assert change.succeeded is None


async def test_an_outcome_that_cannot_be_recorded_is_logged(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The change was made, so the grader gets the formgrader's response."""
    browser = await site.browser(GRADER)

    async def unavailable(_number: int, _status: int) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(site.audit, "finish", unavailable)
    assert await site.send(browser, "PUT", GRADE, data=b"{}") == 200
    assert "has no status: the disk is full" in caplog.text
    (change,) = await site.audit.newest("course101")
    assert change.status is None


async def test_a_change_is_completed_after_the_browser_disconnects(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The formgrader's status is recorded although nobody waits for the response."""
    browser = await site.browser(GRADER)
    begun, proceed = asyncio.Event(), asyncio.Event()
    begin = site.audit.begin

    async def slow(change: Change) -> int:
        begun.set()
        await proceed.wait()
        return await begin(change)

    monkeypatch.setattr(site.audit, "begin", slow)
    sending = asyncio.create_task(site.send(browser, "PUT", GRADE, data=b"{}"))
    async with asyncio.timeout(60):
        await begun.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        proceed.set()
        while not (found := await site.audit.newest("course101")) or found[0].status is None:
            await asyncio.sleep(0.01)
    assert found[0].status == 200
