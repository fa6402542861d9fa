"""Repairing the links to notebooks in nbgrader's pages."""

import json
import re
from pathlib import Path

import pytest

from services.formgrader_proxy.access import CourseGroups
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.proxy.additions.notebook_links import UTILS, appended_script


def course(lab_directory: str | None = None) -> Course:
    groups = CourseGroups(frozenset())
    return Course("c1", "C1", groups, directory=Path("/srv/c1"), lab_directory=lab_directory)


def base(script: str) -> str:
    """The address that the script's links start with."""
    found = re.search(r"var base = (.*);", script)
    assert found is not None
    text: str = json.loads(found[1])
    return text


@pytest.mark.parametrize(
    "segments", [(), ("formgrader",), ("formgrader", "static", "js", "other.js"), UTILS[:-1]]
)
def test_other_files_are_unchanged(segments: tuple[str, ...]) -> None:
    """Nothing is appended to them."""
    assert appended_script(segments, course("sums"), "/hub/") == b""


def test_links_point_to_the_graders_own_jupyterlab() -> None:
    """At the directory where it sees the course, by way of the Hub."""
    script = appended_script(UTILS, course("courses/sums"), "https://hub/base/hub/").decode()
    assert base(script) == "https://hub/base/hub/user-redirect/lab/tree/courses/sums/"


def test_links_are_plain_text_without_a_lab_directory() -> None:
    """They would not lead to a file."""
    script = appended_script(UTILS, course(), "/hub/").decode()
    assert 'removeAttr("href")' in script
    assert "var base" not in script


@pytest.mark.parametrize("name", ["</script><script>alert(1)", '";alert(1);"', "a\\", "a\u2028b"])
def test_a_directory_is_always_one_string(name: str) -> None:
    """Whatever characters it contains."""
    script = appended_script(UTILS, course(name), "/hub/").decode()
    assert "</script>" not in script
    assert base(script) == f"/hub/user-redirect/lab/tree/{name}/"
