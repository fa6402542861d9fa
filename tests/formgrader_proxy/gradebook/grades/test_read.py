"""Reading all grades, compared with nbgrader's own exporter and lists."""

import csv
import os
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbgrader")

from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.plugins.export import CsvExportPlugin

from services.formgrader_proxy.export import table
from services.formgrader_proxy.export.options import Missing, Options
from services.formgrader_proxy.gradebook.grades.folders import source_assignments
from services.formgrader_proxy.gradebook.grades.read import NoGradebook, read_grades
from services.formgrader_proxy.gradebook.grades.summary import summarize
from tests.formgrader_proxy.gradebook.grades.sample_course import (
    course_directory,
    programs_on_path,
    sample,
)

OTHER_STRUCTURE = str(Path("{nbgrader_step}", "{assignment_id}", "{student_id}"))


@pytest.fixture(scope="module", params=["usual", "other"])
def course(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A course, with nbgrader's structure of directories and with another one."""
    options = {"directory_structure": OTHER_STRUCTURE} if request.param == "other" else {}
    return sample(tmp_path_factory.mktemp("course"), **options)


def by_nbgrader(course: Any, file: Path) -> list[dict[str, str]]:
    """What ``nbgrader export`` writes. It does not quote, so the columns of names are wrong."""
    exporter = CsvExportPlugin(to=str(file))
    gradebook = Gradebook(course.db_url, course.course_id)
    for student in gradebook.students:
        student.first_name = student.last_name = student.email = None  # not committed
    exporter.export(gradebook)
    gradebook.close()
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_scores_are_those_of_nbgraders_export(course: Any, tmp_path: Path) -> None:
    """Field by field, with 0 for what was not submitted."""
    expected = by_nbgrader(course, tmp_path / "grades.csv")
    header, *rows = table.rows(read_grades(course), Options(missing=Missing.ZERO))
    found = {(row[0], row[3]): dict(zip(header, row, strict=True)) for row in rows}
    assert len(expected) == 12
    for theirs in expected:
        ours = found[theirs["assignment"], theirs["student_id"]]
        scores = ("raw_score", "late_submission_penalty", "score", "max_score")
        never_autograded = ours["submitted"] == "yes" and ours["raw_score"] is None
        for name in scores[:3] if not never_autograded else ():
            assert float(ours[name]) == pytest.approx(float(theirs[name])), (theirs, name)
        assert ours["max_score"] == float(theirs["max_score"])
        for name in ("duedate", "timestamp"):
            if theirs[name]:
                assert str(ours[name]) == theirs[name]


def test_what_is_submitted_and_autograded_is_as_in_nbgraders_lists(course: Any) -> None:
    """A submission that was sent again after it was autograded is not autograded."""
    with programs_on_path():
        api = NbGraderAPI(coursedir=course)
    grades = read_grades(course)
    for assignment in ("ps1", "ps2"):
        ours = {
            (one.student, one.autograded, one.needs_manual_grade and one.autograded)
            for one in grades.submissions
            if one.assignment == assignment
        }
        theirs = {
            (one["student"], one["autograded"], one["needs_manual_grade"])
            for one in api.get_submissions(assignment)
        }
        assert ours == theirs
    assert {one.student for one in grades.submissions if not one.autograded} == {
        "dan",
        "eve",
        "zoe",
    }


def test_what_is_left_to_grade(course: Any) -> None:
    """Counted by assignment; what has to be autograded is not counted twice."""
    first, second = summarize(read_grades(course))
    assert (first.name, first.submitted) == ("ps1", 6)
    assert (first.needs_autograde, first.needs_manual_grade) == (3, 1)
    assert (second.submitted, second.needs_autograde, second.needs_manual_grade) == (2, 0, 0)


def test_drafts_are_counted_as_assignments(course: Any) -> None:
    """They have a source folder and are not in the gradebook yet."""
    for name in ("ps1", "draft"):
        folder = Path(course.format_path(course.source_directory, ".", name))
        folder.mkdir(parents=True, exist_ok=True)
    assert source_assignments(course) == {"ps1", "draft"}
    names = [one.name for one in summarize(read_grades(course), source_assignments(course))]
    assert names == ["ps1", "ps2", "draft"]


def test_a_course_without_a_gradebook_gets_none(tmp_path: Path) -> None:
    """Reading creates nothing."""
    with pytest.raises(NoGradebook):
        read_grades(course_directory(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_timestamp_that_is_no_file_is_ignored(tmp_path: Path) -> None:
    """A student can submit anything under this name."""
    course = sample(tmp_path)
    stamp = tmp_path / "submitted" / "ana" / "ps2" / "timestamp.txt"
    stamp.unlink()
    os.mkfifo(stamp)
    started = time.monotonic()
    found = {(one.student, one.assignment): one for one in read_grades(course).submissions}
    assert time.monotonic() - started < 10
    assert not found["ana", "ps2"].autograded
