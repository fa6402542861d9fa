"""What is kept of a rendered notebook, and what is rendered again."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

pytest.importorskip("nbgrader")
from nbconvert.filters import ansi2html

from services.formgrader_proxy.rendering.content import cache, markdown
from services.formgrader_proxy.rendering.content.cache import Rendered
from services.formgrader_proxy.rendering.nonce import new_nonce, rendering_with
from tests.formgrader_proxy.rendering.notebooks import (
    PNG,
    RESOURCES,
    Elements,
    code,
    display,
    exporter,
    notebook,
    page,
)
from tests.formgrader_proxy.rendering.notebooks import markdown as text_cell

HOSTILE = "*text* <script>window.hostile=1</script> <img src=x onerror=alert(1)>"
OUTPUT = {"text/html": HOSTILE}


@pytest.fixture(autouse=True)
def rendered(monkeypatch: pytest.MonkeyPatch) -> Rendered:
    """An empty cache, which counts what is rendered."""
    kept = Rendered()
    monkeypatch.setattr(markdown, "RENDERED", kept)
    return kept


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that nbconvert rendered."""
    texts: list[str] = []
    highlight, to_html = markdown._highlighted, markdown._markdown

    def counted_code(one: object, text: str, metadata: object) -> str:
        texts.append(text)
        return highlight(one, text, metadata)  # type: ignore[arg-type]

    def counted_markdown(text: str, attachments: dict[str, object]) -> str:
        texts.append(text)
        return to_html(text, attachments)

    def counted_terminal(text: str) -> str:
        texts.append(text)
        return str(ansi2html(text))

    monkeypatch.setattr(markdown, "_highlighted", counted_code)
    monkeypatch.setattr(markdown, "_markdown", counted_markdown)
    monkeypatch.setattr(markdown, "ansi2html", counted_terminal)
    return texts


STREAM = {"output_type": "stream", "name": "stdout", "text": "printed"}
CELLS = (text_cell("# Why", "why"), code("x = 1", STREAM, grade_id="sum"))


def test_the_second_page_is_rendered_from_what_is_kept(made: list[str]) -> None:
    """It is the same page, apart from its nonce."""
    nonces = [new_nonce(), new_nonce()]
    pages = []
    for nonce in nonces:
        with rendering_with(nonce):
            html, _ = exporter().from_notebook_node(notebook(*CELLS), dict(RESOURCES))
        pages.append(html)
    assert made == ["# Why", "x = 1", "printed"]
    assert pages[0].replace(nonces[0], nonces[1]) == pages[1]
    assert nonces[0] not in pages[1]
    assert pages[1].count("<script") == pages[1].count(f'<script nonce="{nonces[1]}"') > 5


@pytest.mark.parametrize(
    ("changed", "rendered_again"),
    [
        ((text_cell("# Why not", "why"), CELLS[1]), ["# Why not"]),
        ((CELLS[0], code("x = 2", STREAM, grade_id="sum")), ["x = 2"]),
        ((CELLS[0], code("x = 1", STREAM | {"text": "other"}, grade_id="sum")), ["other"]),
        ((text_cell("# Why", "because"), CELLS[1]), []),
        ((CELLS[0], CELLS[1] | {"execution_count": 7}), []),
    ],
    ids=["text", "code", "output", "grade id", "count"],
)
def test_a_changed_notebook_is_shown_as_it_is(
    made: list[str], changed: tuple[dict[str, object], ...], rendered_again: list[str]
) -> None:
    """Only the changed part is rendered again, and the page is that of an empty cache."""
    page(*CELLS)
    made.clear()
    with rendering_with("nonce"):
        kept, _ = exporter().from_notebook_node(notebook(*changed), dict(RESOURCES))
    assert made == rendered_again
    with pytest.MonkeyPatch.context() as patch, rendering_with("nonce"):
        patch.setattr(markdown, "RENDERED", Rendered(0))
        fresh, _ = exporter().from_notebook_node(notebook(*changed), dict(RESOURCES))
    assert kept == fresh


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"index": 4, "total": 9}, "Submission 5 / 9"),
        ({"last_name": "Lovelace", "first_name": "Ada"}, "Lovelace, Ada"),
        ({"student": "ben"}, "ben"),
        ({"submission_id": "def"}, 'submission_id = "def"'),
    ],
    ids=["index", "name", "student", "submission"],
)
def test_names_and_numbers_are_those_of_the_request(change: dict[str, object], shown: str) -> None:
    """They are not part of what is kept."""
    before = page(*CELLS)
    with rendering_with(new_nonce()):
        after, _ = exporter().from_notebook_node(notebook(*CELLS), RESOURCES | change)
    assert shown not in before
    assert shown in after


def test_languages_are_part_of_the_content() -> None:
    """The same text in another language has other colours."""
    python, ruby = (
        page(code("end"), language_info={"name": name, "pygments_lexer": name})
        for name in ("python", "ruby")
    )
    assert '<span class="k">end</span>' not in python
    assert '<span class="k">end</span>' in ruby


def test_attachments_are_part_of_the_content() -> None:
    """The same text with another picture is not the same cell."""
    for data in (PNG, PNG.replace("A", "B")):
        attachments = {"p.png": {"image/png": data}}
        assert data in page(text_cell("![p](attachment:p.png)", attachments=attachments))


def test_what_is_kept_is_sanitized_each_time(rendered: Rendered) -> None:
    """The cache holds nbconvert's HTML with the script, which no page contains."""
    first, second = (page(text_cell(HOSTILE), code(HOSTILE, display(OUTPUT))) for _ in range(2))
    assert any("<script>window.hostile" in html for html in rendered._kept.values())
    for html in (first, second):
        assert "<script>window" not in html
        assert not [one for _, one in Elements(html).found if "onerror" in one]
        assert "<em>text</em>" in html


def test_lengths_separate_the_parts() -> None:
    """Nobody can move text from one part of the content to another."""
    kept = Rendered()
    assert kept.get("ab", "c", make=lambda: "first") == "first"
    assert kept.get("a", "bc", make=lambda: "second") == "second"
    assert kept.get("ab", "c", make=lambda: "third") == "first"


def test_it_is_bounded() -> None:
    """What was not used for the longest time goes first; what is too long is not kept."""
    size = sys.getsizeof("x" * 100)
    kept = Rendered(3 * size, longest=size)
    for name in "abc":
        kept.get(name, make=lambda: "x" * 100)
    kept.get("a", make=lambda: "not made")
    kept.get("d", make=lambda: "x" * 100)
    kept.get("long", make=lambda: "x" * 101)
    assert kept.bytes == 3 * size
    found = {name: kept.get(name, make=lambda: "again") for name in ("a", "c", "d", "b", "long")}
    assert {name for name, html in found.items() if html == "again"} == {"b", "long"}
    kept.clear()
    assert (kept.bytes, kept.get("a", make=lambda: "again")) == (0, "again")


def test_the_bound_is_that_of_the_process() -> None:
    """One cache for pages and feedback, and no submission fills it."""
    assert cache.RENDERED._most == cache.MOST_BYTES <= 64_000_000
    assert cache.RENDERED._longest * 16 <= cache.MOST_BYTES


def test_a_failure_is_not_kept() -> None:
    """The next page tries again."""
    kept = Rendered()

    def fail() -> str:
        raise MemoryError

    with pytest.raises(MemoryError):
        kept.get("a", make=fail)
    assert kept.get("a", make=lambda: "made") == "made"


def test_threads_share_it() -> None:
    """Two that make the same at the same time both get it, and it counts once."""
    kept, together = Rendered(), Barrier(2)

    def make() -> str:
        together.wait(20)
        return "x" * 100

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda _: kept.get("a", make=make), range(2)))
    assert results == ["x" * 100] * 2
    assert kept.bytes == sys.getsizeof("x" * 100)
