"""Feedback files: their own policy, and the version of MathJax that they load."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")
from nbgrader.server_extensions.formgrader.handlers import static_path, template_path

from services.formgrader_proxy.rendering.feedback import MATHJAX_URL, FeedbackExporter
from tests.formgrader_proxy.rendering.notebooks import RESOURCES, Elements, markdown, notebook
from tests.paths import ROOT

BOOTSTRAP = Path(static_path) / "node_modules" / "bootstrap" / "dist" / "css"
SCORES = {"notebook": "sums", "score": 1, "max_score": 3, "late_penalty": 0}


def feedback(text: str) -> str:
    """The feedback of a submission with this answer."""
    exporter = FeedbackExporter(
        template_name="feedback",
        extra_template_basedirs=[template_path],
        extra_template_paths=[str(BOOTSTRAP)],
    )
    resources = RESOURCES | {"nbgrader": dict(SCORES)}
    html, _ = exporter.from_notebook_node(notebook(markdown(text)), resources)
    return html


@pytest.mark.attack("rendered-feedback")
def test_only_its_own_scripts_have_the_nonce_of_its_policy() -> None:
    """The policy comes first, and allows neither inline scripts nor code in strings."""
    html = feedback("<script>alert(1)</script> <img src=x onerror=alert(1)> The answer")
    policy = Elements(html).of("meta")[0]["content"] or ""
    found = re.search(r"script-src 'nonce-([0-9a-f]{32})' 'strict-dynamic';", policy)
    assert found is not None
    assert "unsafe-eval" not in policy
    assert {script.get("nonce") for script in Elements(html).of("script")} == {found[1]}
    assert "alert(1)" not in html
    assert "The answer" in html
    assert "Score: 1.0 / 3.0" in html


def test_every_file_has_its_own_nonce() -> None:
    """The nonce in one file is useless for a script in another."""
    first, second = (Elements(feedback("x")).of("script")[0]["nonce"] for _ in range(2))
    assert first != second


def test_its_mathjax_is_the_one_that_is_served() -> None:
    """A new version is tested before it is used."""
    wanted = json.loads((ROOT / "services/npm/package.json").read_text("utf-8"))["dependencies"]
    assert f"mathjax@{wanted['mathjax']}/" in MATHJAX_URL
