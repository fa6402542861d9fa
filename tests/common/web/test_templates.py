"""The templates of all services: whatever a name contains, it stays text."""

import re
from pathlib import Path

import pytest

from tests.paths import ROOT

TEMPLATES = sorted(
    path for folder in ("common", "services") for path in (ROOT / folder).rglob("templates/*.html")
)
#: With the packages that make setup installs there.
SCRIPTS = sorted((ROOT / "services").glob("*/web/static/**/*.js"))
#: Files of their own, in which a policy allows styles and nothing else.
DOCUMENTS = ("meeting_document.html",)
#: Methods and properties that parse HTML or code.
PARSERS = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc"


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_are_templates_and_scripts() -> None:
    """The other tests look at something."""
    assert len(TEMPLATES) > 15
    assert len(SCRIPTS) >= 2


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_nothing_is_exempt_from_escaping(path: Path) -> None:
    """Jinja escapes every value; values stay out of scripts, styles and unquoted attributes."""
    text = path.read_text("utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    if path.name in DOCUMENTS:
        assert "default-src 'none'; style-src 'unsafe-inline'" in text
        text = text.replace("<style>", "", 1)
    assert not re.search(r"\son\w+\s*=|\sstyle\s*=|javascript:|<style", text, re.IGNORECASE)
    assert not re.search(r"\s[\w-]+=\{\{", text)
    for tag in re.findall(r"<script[^>]*>", text):
        assert 'nonce="{{ csp_nonce }}"' in tag
        assert "src=" in tag
    for tag in re.findall(r'<link rel="stylesheet"[^>]*>', text):
        assert 'nonce="{{ csp_nonce }}"' in tag


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_links_begin_with_an_address_of_a_service(path: Path) -> None:
    """A link's scheme never comes from data, so no name makes a ``javascript:`` link."""
    beginnings = r"\{\{ (prefix|hub_url|current_url|href|static_url\(|link\()|#|mailto:\?bcc=|\Z"
    for target in re.findall(r'(?:href|src|action)="([^"]*)', path.read_text("utf-8")):
        assert re.match(beginnings, target), target


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_scripts_do_not_parse_html(path: Path) -> None:
    """They set text and attributes, so a name is never parsed as HTML or code."""
    assert not re.search(PARSERS, path.read_text("utf-8"))
