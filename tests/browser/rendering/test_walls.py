"""The sanitizer and the policy each stop what a submission contains, without the other."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest

pytest.importorskip("nbgrader")
from playwright.async_api import Browser, expect

from tests.browser.rendering.pages import (
    RUN,
    SUBMISSION,
    Site,
    nbgrader_page,
    submission,
    without_sanitizer,
)
from tests.formgrader_proxy.rendering.notebooks import code, display, markdown

#: Each sets ``window.ran_N`` if it runs, N being its number.
HOSTILE = (
    "<script>RUN</script>",
    "<script nonce='0123456789abcdef0123456789abcdef'>RUN</script>",
    "<script src='/user/eve/files/NUMBER.js'></script>",
    "<script type='module'>RUN</script>",
    "<img src=x onerror='RUN'>",
    "<svg onload='RUN'></svg>",
    "<details open ontoggle='RUN'>x</details>",
    "<iframe srcdoc='<script>parent.RUN</script>'></iframe>",
    "<iframe src='javascript:parent.RUN'></iframe>",
    "<object data='javascript:RUN'></object>",
    "<a href='javascript:RUN' class='hostile-link'>x</a>",
    "<form action='javascript:RUN'><button class='hostile-link'>x</button></form>",
    "<base href='/user/eve/'><script src='NUMBER.js'></script>",
    "<math><mtext><table><mglyph><style><img src=x onerror='RUN'></style></mglyph></table>",
)
#: Those that run in Chromium without any wall. The others depend on the browser.
CERTAIN = {0, 1, 2, 3, 4, 5, 6, 7, 10, 12}
GRADE = {"id": "g", "name": "why", "max_score": 3, "manual_score": 2, "auto_score": None}


class Seen(NamedTuple):
    """What a page did: the attacks that ran, its requests, and the score that it shows."""

    ran: set[int]
    requested: list[str]
    score: str | None


async def opened(chromium: Browser, attacks: Sequence[str], *, policy: bool) -> Seen:
    """Open a submission with these attacks in its Markdown and its outputs."""
    context = await chromium.new_context()
    site = Site(context, policy=policy)
    site.api["grades"] = [GRADE]
    html = [
        attack.replace("RUN", f"window.ran_{number}=1").replace("NUMBER", str(number))
        for number, attack in enumerate(attacks)
    ]
    outputs = [display({"text/html": one}) for one in html]
    cells = [markdown("The answer", "why"), *map(markdown, html), code("show()", *outputs)]
    tab = await site.open(SUBMISSION, submission(*cells))
    for link in await tab.locator(".hostile-link").all():
        await link.dispatch_event("click")
    ran = {
        number
        for number in range(len(attacks))
        if await tab.evaluate(f"window.ran_{number} !== undefined")
    }
    score = await tab.locator("input.score#why").input_value(timeout=5_000)
    await context.close()
    return Seen(ran, site.requested, score)


@pytest.mark.attack("rendered-script")
async def test_each_wall_stops_all_scripts(
    chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They run only with both walls switched off; scores work behind each of them."""
    sanitized = await opened(chromium, HOSTILE, policy=False)
    assert (sanitized.ran, sanitized.score) == (set(), "2")
    without_sanitizer(monkeypatch)
    restricted = await opened(chromium, HOSTILE, policy=True)
    assert (restricted.ran, restricted.score) == (set(), "2")
    bare = await opened(chromium, HOSTILE, policy=False)
    assert bare.ran >= CERTAIN, "some attacks would not be noticed"


REQUESTS = (
    "<img src='/hub/logout'>",
    "<img src='http://evil.test/seen.gif'>",
    "<video src='/hub/logout' poster='/hub/logout'></video>",
    "<link rel=stylesheet href='/hub/logout'>",
    "<style>@import '/hub/logout';</style>",
    "<p style='background: url(/hub/logout)'>x</p>",
    "<iframe src='/hub/logout'></iframe>",
    "<svg><image href='/hub/logout'></image></svg>",
    "<form action='/hub/logout'><button class='hostile-link'>x</button></form>",
)


@pytest.mark.attack("rendered-request")
async def test_a_submission_sends_no_request(
    chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to the Hub, where it could sign the grader out, nor to another site."""
    for policy in (False, True):
        seen = await opened(chromium, REQUESTS, policy=policy)
        assert [url for url in seen.requested if "/hub/" in url or "evil.test" in url] == []
        without_sanitizer(monkeypatch)


@pytest.mark.attack("rendered-formula")
@pytest.mark.parametrize("policy", [True, False])
async def test_a_formula_is_harmless(chromium: Browser, policy: bool) -> None:
    r"""``\href`` keeps links to other sites only; ids, classes and positions are removed."""
    formulas = (
        rf"$\href{{javascript:{RUN}}}{{a}}$ $\href{{https://example.org}}{{b}}$"
        r" $\cssId{why}{c}$ $\class{score}{d}$ $\style{position:fixed;color:red}{e}$"
        r" $\bbox[position:fixed;border:1px solid red]{f}$ $\unicode{x41}$"
        r" $\require{mhchem}\ce{H2O}$"
    )
    context = await chromium.new_context()
    site = Site(context, policy=policy)
    tab = await site.open(SUBMISSION, submission(markdown("x", "why"), markdown(formulas)))
    await expect(tab.locator("#notebook mjx-container")).to_have_count(8)
    assert await tab.locator("#notebook mjx-container a").count() == 1
    assert await tab.locator("#notebook [href^='javascript']").count() == 0
    assert await tab.locator("#why").count() == 1
    assert await tab.locator("mjx-container .score").count() == 0
    assert await tab.locator("mjx-container [style*='position: fixed']").count() == 0
    assert {url.split("/")[2] for url in site.requested} == {"hub.test"}
    await context.close()


@pytest.mark.attack("rendered-overlay")
async def test_a_submission_covers_no_score(chromium: Browser) -> None:
    """Whatever its styles, a click on a score reaches the score."""
    cover = (
        "<div style='position:fixed;top:0;left:0;width:9999px;height:9999px;z-index:9999;"
        "margin-top:-5000px;margin-left:-500px;background-color:red'>x</div>"
    )
    context = await chromium.new_context()
    site = Site(context, policy=True)
    cells = [
        markdown("The answer", "why"),
        markdown(cover),
        code("x", display({"text/html": cover})),
    ]
    tab = await site.open(SUBMISSION, submission(*cells))
    await tab.locator("input.score#why").click(timeout=5_000)  # fails if something covers it
    assert await tab.evaluate("document.activeElement.id") == "why"
    await context.close()


NAME = f"<img src=x onerror={RUN}>"


@pytest.mark.attack("rendered-message")
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "bare"])
async def test_a_name_in_a_message_is_text(chromium: Browser, guarded: bool) -> None:
    """nbgrader's script makes HTML of a student's name when autograding fails."""
    context = await chromium.new_context()
    site = Site(context, policy=False)
    if not guarded:
        site.replaced["formgrader.js"] = ""
    url = SUBMISSION.replace("submissions/abc/", "manage_submissions/ps1")
    names = {"student": NAME, "name": "ps1", "first_name": "A", "last_name": "B", "timestamp": None}
    scores = {"autograded": False, "score": 0, "max_score": 0, "needs_manual_grade": False}
    site.api["submissions/ps1"] = [names | {"display_timestamp": None} | scores]
    tab = await site.open(url, nbgrader_page("manage_submissions.tpl", assignment_id="ps1"))
    await tab.locator(".autograde a").click()
    await expect(tab.locator("#error-modal .modal-body")).to_be_visible()
    if guarded:
        await expect(tab.locator("#error-modal .modal-body")).to_contain_text(NAME)
        assert await tab.evaluate("window.hostile") is None
    else:
        await tab.wait_for_function("window.hostile")
    await context.close()
