"""The order of courses in the list, and its filter."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.formgrader_proxy.export.grades import AssignmentWork
from services.formgrader_proxy.web.course_list import (
    CourseSummary,
    LastChange,
    in_order,
    matching,
)
from services.formgrader_proxy.web.pages import ago

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUIET = CourseSummary(
    id="quiet",
    title="Quiet",
    role="a grader",
    state="stopped",
    trouble=None,
    may_read_audit=False,
    may_read_log=False,
    assignments=None,
    submissions=None,
)
OLD = LastChange(NOW - timedelta(days=15), "grade")
NEW = LastChange(NOW - timedelta(days=13), "grade")


@pytest.mark.parametrize(
    ("changes", "current"),
    [
        ({}, False),
        ({"last_change": OLD}, False),
        ({"last_change": NEW}, True),
        ({"to_grade": (AssignmentWork("ps1", 3, 0, 0),)}, False),
        ({"to_grade": (AssignmentWork("ps1", 3, 1, 0),)}, True),
        ({"to_grade": (AssignmentWork("ps1", 3, 0, 1),)}, True),
        ({"grading_now": ("gail",)}, True),
        ({"jobs": 1}, True),
        ({"jobs": 0}, False),
    ],
)
def test_current_courses_come_first(changes: dict[str, object], current: bool) -> None:
    """Those with something to do, or used recently; then by title."""
    other = replace(QUIET, id="z", title="Zoology", **changes)  # type: ignore[arg-type]
    first = replace(QUIET, id="a", title="algebra")
    ordered = [one.id for one in in_order([QUIET, other, first], NOW)]
    assert ordered == (["z", "a", "quiet"] if current else ["a", "quiet", "z"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["quiet", "stats101"]),
        ("STATS", ["stats101"]),
        ("101 einführung", ["stats101"]),
        ("101 quiet", []),
    ],
)
def test_the_filter_finds_words_of_title_and_id(text: str, found: list[str]) -> None:
    """In any case and order."""
    other = replace(QUIET, id="stats101", title="Einführung in die Statistik")
    assert [one.id for one in matching([QUIET, other], text)] == found


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=1234), "1,234 days ago"),
    ],
)
def test_times_are_relative(passed: timedelta, words: str) -> None:
    """A time zone does not matter."""
    assert ago(NOW - passed, now=NOW) == words
