"""The page for a meeting as a file."""

import re
from html.parser import HTMLParser

import html5lib
import pytest

from services.stats.meeting.document import document
from services.stats.query.meeting.page import page
from tests.stats.query.meeting.meetings import MEETING, meeting
from tests.stats.web.site import HOSTILE


class Loads(HTMLParser):
    """Collects the addresses that the document refers to, and its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "object", "embed"):
            self.found.append(tag)
        self.found += [
            name
            for name, _ in attrs
            if name in ("src", "href", "style", "srcset") or name.startswith("on")
        ]


def test_the_file_needs_nothing_else() -> None:
    """No script, no inline style, and no address, not even in the style sheet."""
    text = document(page(MEETING, "hub.example.org"), made_up=False)
    parser = Loads()
    parser.feed(text)
    assert parser.found == []
    assert not re.search(r"url\(|@import|https?://", text)
    assert text.count("<style>") == text.count("</style>") == 1


@pytest.mark.parametrize("made", [MEETING, meeting(people=None), meeting(before=None)])
def test_the_file_is_valid_html(made: object) -> None:
    """A strict parser accepts it."""
    text = document(page(made, ""), made_up=True)  # type: ignore[arg-type]
    html5lib.HTMLParser(strict=True).parse(text)


def test_the_heading() -> None:
    """Hub, period, zone and day of creation, each once; the day is that of the zone."""
    text = document(page(MEETING, "hub.example.org"), made_up=False).partition("<body>")[2]
    assert (
        "hub.example.org. Created on 2026-04-06. All days and times are in Europe/Berlin." in text
    )
    assert text.count("Europe/Berlin") == text.count("hub.example.org") == 1
    assert "2026-03-02 to 2026-03-29 <span>(28 days)</span>" in text
    assert "Incomplete" not in text


def test_a_hub_without_a_name() -> None:
    """It is a JupyterHub in any case."""
    assert "JupyterHub. Created on" in document(page(MEETING, ""), made_up=False)


def test_names_are_text() -> None:
    """Of groups and hubs, whatever they are called."""
    text = document(page(meeting(title=HOSTILE), HOSTILE), made_up=False)
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;") == 4  # twice in the title, and in the page
    text = document(page(meeting(title="a\u202eb"), ""), made_up=False)
    assert "<title>a\ufffdb," in text


def test_numbers_stay_with_their_units() -> None:
    """No line breaks between them, in sentences either."""
    text = document(page(MEETING, ""), made_up=False)
    assert "120\N{NO-BREAK SPACE}h in total" in text
    assert "1\N{NO-BREAK SPACE}h 5\N{NO-BREAK SPACE}min" in text


def test_demo_data_is_marked() -> None:
    """On paper, too, and only then."""
    assert "Demo data" in document(page(MEETING, ""), made_up=True)
    assert "Demo data" not in document(page(MEETING, ""), made_up=False)


def test_a_bar_that_is_incomplete_says_so() -> None:
    """In words below the chart, and for those who point at it."""
    bars = [MEETING.bars[0]._replace(complete=False), MEETING.bars[1]._replace(active_users=None)]
    text = document(page(meeting(bars=bars), ""), made_up=False)
    assert "<title>2026-03-02 to 2026-03-08: 8, incomplete</title>" in text
    assert "Outlined: incomplete, a lower bound. Crossed out: not observed." in text
    assert 'class="measure incomplete"' in text
