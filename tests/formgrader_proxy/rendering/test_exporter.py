"""A submission's page: what is shown, and what a submission cannot change."""

import re

import pytest

pytest.importorskip("nbgrader")
from nbgrader.converters.generate_feedback import GenerateFeedback
from nbgrader.server_extensions.formgrader.handlers import template_path
from traitlets.config import Config

from services.formgrader_proxy.rendering.configure import configure
from services.formgrader_proxy.rendering.exporter import SubmissionExporter
from services.formgrader_proxy.rendering.extension import SafeFormgrader
from services.formgrader_proxy.rendering.feedback import FeedbackExporter
from services.formgrader_proxy.rendering.nonce import new_nonce, rendering_with
from tests.formgrader_proxy.rendering.notebooks import (
    PNG,
    RESOURCES,
    STATIC,
    Elements,
    bare_page,
    code,
    display,
    markdown,
    notebook,
    page,
)


def body(html: str) -> str:
    return html.partition('id="notebook-container"')[2]


def test_scripts_are_the_templates_own() -> None:
    """Each has the nonce, and none comes from another host."""
    html = page(
        markdown("<script>alert(1)</script>"), code("f()", display({"text/html": "<script>"}))
    )
    scripts = Elements(html).of("script")
    assert len({script["nonce"] for script in scripts}) == 1
    assert f"{STATIC}formulas.js" in {script.get("src") for script in scripts}
    assert all((script.get("src") or "/").startswith("/") for script in scripts)
    assert "http" not in html.replace("http://www.w3.org", "")


def test_what_students_show_is_shown() -> None:
    """Markdown, formulas, code, terminal colours, tables, pictures and errors."""
    html = body(
        page(
            markdown(
                "# Title\n\n*emphasis* $a<b$ \\\\(c\\\\) ![p](files/plot.png) [l](files/d.csv)"
            ),
            markdown(
                "- [x] done\n- [ ] open\n\n|a|b|\n|-|-|\n|1|2|\n\n```python\ndef f(): pass\n```"
            ),
            code(
                "def f(): pass",
                {"output_type": "stream", "name": "stdout", "text": "\x1b[31mred\x1b[0m <b>"},
                {"output_type": "stream", "name": "stderr", "text": "careful"},
                {
                    "output_type": "error",
                    "ename": "E",
                    "evalue": "v",
                    "traceback": ["\x1b[0;31mE\x1b[0m: v <i>"],
                },
                display({"text/html": '<table class="dataframe"><tr><td>7</td></tr></table>'}),
                display({"image/png": PNG}, **{"image/png": {"width": 40, "alt": 'a "plot"'}}),
                display({"image/svg+xml": "<svg onload='alert(1)'/>"}),
                display({"text/latex": "$x<y$"}),
                display({"text/markdown": "**bold**"}),
                display({"application/x-unknown": {}}),
            ),
        )
    )
    for part in (
        *('<h1 id="student-Title">', "<em>emphasis</em>", "$a&lt;b$", 'src="plot.png"'),
        *('href="d.csv"', "☑ done", "☐ open", "<td>1</td>", '<span class="k">def</span>'),
        *('<span class="ansi-red-fg">red</span> &lt;b&gt;', "careful", ": v &lt;i&gt;"),
        *('<table class="dataframe">', 'width="40"', 'alt="a &#34;plot&#34;"', "$x&lt;y$"),
        *(
            "data:image/svg+xml;base64,",
            "<strong>bold</strong>",
            "not shown: application/x-unknown",
        ),
        "In&nbsp;[1]:",
    ):
        assert part in html, part


def test_attachments_are_shown() -> None:
    """A missing one does not end the page, as it does on a bare formgrader."""
    cell = markdown(
        "![a](attachment:a.png) ![b](attachment:b.png)", attachments={"a.png": {"image/png": PNG}}
    )
    html = body(page(cell))
    assert f"data:image/png;base64,{PNG}" in html
    assert 'alt="b"' in html


FORGERIES = {
    "score": '<input class="score" id="why" value="3">',
    "comment": '<textarea class="comment" id="why-comment"></textarea>',
    "cell": '<div class="nbgrader_cell"><div class="panel"><input id="why"></div></div>',
    "heading": "# why",
    "id": '<a id="why" name="why">x</a><form id="formgrader"></form><img name="MathJax" src="x">',
    "closing": "</div></div></div></div></div><div class='nbgrader_cell'><p id='why'>",
}


@pytest.mark.attack("rendered-score")
@pytest.mark.parametrize("source", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_score_cannot_be_forged(source: str) -> None:
    """One field per graded cell, in its own cell, whatever the answers contain."""
    cells = [markdown(source), markdown(source, "why"), code("x", display({"text/html": source}))]
    found = Elements(page(*cells))
    ids = [attributes["id"] for _, attributes in found.found if "id" in attributes]
    assert [name for name in ids if name and name.startswith("why")] == [
        *("why", "why_extra_credit", "why-comment")
    ]
    assert [one["class"] for one in found.of("input")] == [
        "score tabbable",
        "extra-credit tabbable",
    ]
    assert [one["class"] for one in found.of("textarea")] == ["comment tabbable"]
    classes = " ".join(attributes.get("class") or "" for _, attributes in found.found).split()
    assert classes.count("nbgrader_cell") == 1
    assert not found.of("form")
    assert not any("name" in attributes for tag, attributes in found.found if tag != "meta")


def test_answers_stay_inside_their_cell() -> None:
    """Closing tags in an answer do not move the following fields out of it."""
    html = page(markdown("</div></div></section></body></html>", "why"))
    assert re.search(
        r'class="panel panel-primary nbgrader_cell".*id="why".*id="why-comment"', html, re.S
    )
    assert html.count("</body>") == page(markdown("x", "why")).count("</body>")
    assert html.count("</div>") == page(markdown("x", "why")).count("</div>")


def test_the_last_of_equal_grade_cells_counts() -> None:
    """As in nbgrader's own DeduplicateIds."""
    found = Elements(page(markdown("first", "why"), markdown("second", "why")))
    assert [one["id"] for one in found.of("textarea")] == ["why-comment"]


def test_a_grade_id_is_escaped() -> None:
    """A student may change it in the file that they submit."""
    html = page(markdown("x", '"><script>alert(1)</script>'))
    assert "<script>alert" not in html
    assert len(Elements(html).of("input")) == 2


@pytest.mark.attack("rendered-metadata")
@pytest.mark.parametrize("name", ["width", "height", "alt"])
@pytest.mark.parametrize("kind", ["image/png", "image/jpeg"])
def test_sizes_of_pictures_cannot_add_attributes(kind: str, name: str) -> None:
    """A bare page writes them without quotes."""
    size = {kind: {name: "1 onload=alert(1)"}}
    cell = code("x", display({kind: PNG}, **size))
    bare = [
        attributes for attributes in Elements(bare_page(cell)).of("img") if "onload" in attributes
    ]
    assert bool(bare) is (name != "alt")
    assert not [one for one in Elements(page(cell)).of("img") if "onload" in one]


def test_removing_a_prefix_creates_no_address() -> None:
    """nbconvert removes files/ from addresses, after which a link may be a script."""
    source = "<a href='files/javascript:alert(1)'>x</a> [y](files/javascript:alert(2))"
    assert 'href="javascript:' in bare_page(markdown(source)).replace("'", '"')
    assert "javascript:" not in body(page(markdown(source))).replace("<p>x", "")


def test_the_notice_is_at_the_top() -> None:
    """As text, once."""
    noticed = SubmissionExporter(
        template_name="formgrade", extra_template_basedirs=[template_path], notice="Not <isolated>"
    )
    with rendering_with(new_nonce()):
        html, _ = noticed.from_notebook_node(notebook(markdown("x")), dict(RESOURCES))
    assert html.count("Not &lt;isolated&gt;") == 1
    assert html.index("Not &lt;isolated&gt;") < html.index("<nav")


def test_the_notice_is_configured_for_the_extension() -> None:
    """configure() passes it on to every page of the course."""
    config = Config()
    configure(config, notice="Not isolated")
    assert SafeFormgrader(config=config).notice == "Not isolated"
    assert GenerateFeedback(config=config).exporter_class is FeedbackExporter
