"""How a formgrader's process reports what is wrong with its course."""

import os
from pathlib import Path

import pytest

from services.formgrader_proxy.course_check.findings import (
    Finding,
    Kind,
    Version,
    finding_in,
    from_json,
    marked_line,
    without_secrets,
)
from services.formgrader_proxy.course_check.start_errors import process_ended
from services.formgrader_proxy.course_check.versions import any_changed, version_of

FINDING = Finding(Kind.GRADEBOOK, "It is empty.", watched=(Version("/srv/gradebook.db", 7, 0),))


def test_a_finding_survives_the_log() -> None:
    """The last one counts, and other lines do not."""
    lines = ["starting", marked_line(Finding(Kind.SOFTWARE, "x")), marked_line(FINDING), "end"]
    assert finding_in(lines) == FINDING


def test_a_long_finding_still_fits_into_a_line() -> None:
    """Without the files that it depends on, if there are too many."""
    watched = tuple(Version("/srv/" + "x" * 200, number, 0) for number in range(40))
    found = finding_in([marked_line(Finding(Kind.CONFIGURATION, "y" * 700, watched=watched))])
    assert found == Finding(Kind.CONFIGURATION, "y" * 250)


@pytest.mark.parametrize("line", ["", "{}", "[]", '[{"kind": "x"}]', "[1]", "[["])
def test_a_line_that_only_looks_like_one(line: str) -> None:
    """A course's own code can print anything. It is no finding, and no error."""
    assert finding_in(["course-check: " + line]) is None


def test_an_unexpected_form_is_a_value_error() -> None:
    """Of the output of a check."""
    with pytest.raises(ValueError, match="unexpected"):
        from_json('[{"text": 1}]')


@pytest.mark.parametrize(
    ("code", "lines", "words"),
    [
        (78, [marked_line(FINDING)], "It is empty."),
        (78, ["killed"], "could not be started: killed."),
        (127, ["it could not be started: Permission denied"], "Permission denied."),
        (1, ["ModuleNotFoundError: No module named 'nbgrader'"], "pip install"),
        (1, ["ValueError: x"], None),
        (3, [marked_line(FINDING)], None),
        (None, [], None),
    ],
)
def test_the_end_of_a_process(code: int | None, lines: list[str], words: str | None) -> None:
    """Is explained by its exit code and its log, or not at all."""
    found = process_ended(code, lines, "/srv/course")
    assert (found is None) is (words is None)
    assert words is None or (found is not None and words in found.text)


def test_secrets_are_removed() -> None:
    """Passwords in URLs, also those with an at sign."""
    text = without_secrets("at postgresql://me:a@b@db/x\nand http://h:1/y")
    assert text == "at postgresql://me:***@db/x and http://h:1/y"


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """Also one that appears or disappears."""
    file = tmp_path / "file"
    missing = version_of(str(file))
    assert not any_changed([missing])
    file.write_text("1")
    assert any_changed([missing])
    written = version_of(str(file))
    assert not any_changed([written])
    os.utime(file, ns=(1, 1))
    assert any_changed([written])
    file.unlink()
    assert any_changed([written])
