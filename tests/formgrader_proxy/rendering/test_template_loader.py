"""The templates of the installed nbgrader and nbconvert, loaded and rendered."""

import logging
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")
from jinja2 import TemplateNotFound
from nbgrader.server_extensions.formgrader.handlers import template_path

from services.formgrader_proxy.rendering.nonce import new_nonce, rendering_with
from services.formgrader_proxy.rendering.template_loader import page_environment
from services.formgrader_proxy.rendering.template_source import (
    Origin,
    TemplateRefused,
    safe_source,
)

TEMPLATES = sorted(
    path for path in Path(template_path).rglob("*") if path.suffix in {".tpl", ".j2"}
)
PAGES = [path.name for path in TEMPLATES if path.parent == Path(template_path)]
STATIC = "/services/formgrader/c1/formgrader/static/classroom/"
HOSTILE = """"';</script><script>alert(1)</script><img src=x onerror=alert(1)>{{ 77 * 77 }}"""
NAMES = ("assignment_id", "notebook_id", "student_id", "base_url", "url_prefix", "course_dir")


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def render(page: str, notice: str = "", **values: object) -> tuple[str, str]:
    """A page of nbgrader, and its nonce."""
    nonce = new_nonce()
    with rendering_with(nonce):
        template = page_environment(template_path, STATIC, notice).get_template(page)
        return template.render(**values), nonce


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_value_in_a_script_of_nbgrader_is_covered(path: Path) -> None:
    """A new version whose scripts insert values in another way fails here, and is refused."""
    source = safe_source(path.read_text("utf-8"), Origin.NBGRADER)
    for body in re.findall(r"<script[^>]*>(.*?)</script>", source, re.DOTALL):
        for value in re.findall(r"\{\{.*?\}\}", body, re.DOTALL):
            assert value.endswith("| string | tojson }}"), value
    assert not re.search(r"\son[a-z]+\s*=", source)


@pytest.mark.parametrize("page", PAGES)
def test_values_cannot_add_anything_to_a_page(page: str) -> None:
    """The page has the same elements, attributes and scripts as with harmless values."""
    values = {
        "exchange_missing": True,
        "exchange": HOSTILE,
        "current_config": HOSTILE,
        "course_id": HOSTILE,
        "error_code": HOSTILE,
    }
    resources = dict.fromkeys(
        ("filename", "student", "first_name", "last_name", "submission_id", *NAMES), HOSTILE
    )
    hostile, nonce = render(
        page,
        notice=HOSTILE,
        **dict.fromkeys(NAMES, HOSTILE),
        **values,
        resources=resources | {"index": 1, "total": 2},
    )
    harmless, _ = render(
        page,
        notice="x",
        **dict.fromkeys(NAMES, "x"),
        **dict.fromkeys(values, "x"),
        resources=dict.fromkeys(resources, "x") | {"index": 1, "total": 2},
    )
    elements = Elements(hostile).found
    assert [(tag, set(attributes)) for tag, attributes in elements] == [
        (tag, set(attributes)) for tag, attributes in Elements(harmless).found
    ]
    scripts = [attributes for tag, attributes in elements if tag == "script"]
    assert scripts
    assert {attributes["nonce"] for attributes in scripts} == {nonce}
    assert "<img" not in hostile
    assert "5929" not in hostile


def test_the_notice_is_at_the_top_of_a_page() -> None:
    """As text."""
    page, _ = render("gradebook_assignments.tpl", notice="Autograding is <b>not</b> isolated.")
    assert "Autograding is &lt;b&gt;not&lt;/b&gt; isolated." in page.partition("<body>")[2][:200]
    assert "course-notice" not in render("gradebook_assignments.tpl")[0]


def test_a_page_has_no_nonce_outside_a_response() -> None:
    """Rendering fails instead of serving scripts that a policy could not name."""
    environment = page_environment(template_path, STATIC, "")
    with pytest.raises(LookupError):
        environment.get_template("gradebook_assignments.tpl").render()


def test_a_refused_template_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With its file and the reason; the page answers with an error."""
    (tmp_path / "page.tpl").write_text("<script>var a = {{ x }};</script>")
    environment = page_environment(str(tmp_path), STATIC, "")
    with caplog.at_level(logging.ERROR), pytest.raises(TemplateRefused):
        environment.get_template("page.tpl")
    assert f"the template {tmp_path}/page.tpl is not served: a value in a script" in caplog.text


def test_an_unknown_template_is_unknown() -> None:
    """Jinja reports it as usual."""
    environment = page_environment(template_path, STATIC, "")
    for name in ("missing.tpl", "missing.html"):
        with pytest.raises(TemplateNotFound):
            environment.get_template(name)


def test_two_responses_have_different_nonces() -> None:
    """A page that somebody saw tells nothing about the next one."""
    assert render("gradebook_assignments.tpl")[1] != render("gradebook_assignments.tpl")[1]
