"""The files of an export, parsed back as their readers do."""

import csv
import io
from datetime import UTC, datetime

import pytest

from common.errors import ConfigError
from services.formgrader_proxy.export.file import export, file_name
from services.formgrader_proxy.export.grades import Assignment, Grades, Student, Submission
from services.formgrader_proxy.export.options import (
    Format,
    Missing,
    Options,
    Unfinished,
    read_options,
)

FORMULA = "=cmd|' /C calc'!A0"
GRADES = Grades(
    (
        Student("ana", "Ahlers", "Ana", "ana@example.org", "4711"),
        Student("ben", FORMULA, "Ben", "ben@example.org"),
        Student("chloé", "Übermut", 'Chloé "C"', None),
        Student("-fay", "Fox, Jr.", "Fay", "+fay@example.org"),
    ),
    (
        Assignment("ps1", 8.0, datetime(2026, 1, 15, tzinfo=UTC).replace(tzinfo=None)),
        Assignment("Übung 2", 2.5),
    ),
    (
        Submission(
            "ana", "ps1", None, 9.5, 2.0, 0.1 + 0.2, needs_manual_grade=False, autograded=True
        ),
        Submission("ben", "ps1", None, 1.0, 0.0, 5.0, autograded=True),
        Submission("chloé", "ps1", None, 3.0, needs_manual_grade=True, autograded=True),
        Submission("-fay", "ps1", None, 4.0, autograded=False),
        Submission("zoe", "ps1", None),
        Submission("ana", "Übung 2", None, -1.0, autograded=True),
    ),
)


def parsed(options: Options) -> list[list[str]]:
    """The rows of the file."""
    return list(csv.reader(io.StringIO(export(GRADES, options), newline="")))


def test_every_student_and_assignment_has_a_row() -> None:
    """Also one who is not in the gradebook, and what was not submitted, with empty scores."""
    header, *rows = parsed(Options())
    found = {
        (row["student_id"], row["assignment"]): row
        for row in (dict(zip(header, row, strict=True)) for row in rows)
    }
    assert len(rows) == len(found) == 10
    ana = found["ana", "ps1"]
    assert (ana["raw_score"], ana["extra_credit"], ana["max_score"]) == ("9.5", "2", "8")
    assert (ana["late_submission_penalty"], ana["score"]) == ("0.3", "9.2")
    assert (ana["submitted"], ana["autograded"], ana["needs_manual_grade"]) == ("yes", "yes", "no")
    assert ana["duedate"] == "2026-01-15T00:00:00"
    assert found["ben", "ps1"]["score"] == "0"  # the penalty is larger than the score
    assert found["chloé", "ps1"]["needs_manual_grade"] == "yes"
    for key in (("zoe", "ps1"), ("ben", "Übung 2")):
        assert found[key]["score"] == found[key]["raw_score"] == ""
    assert (found["zoe", "ps1"]["submitted"], found["zoe", "ps1"]["autograded"]) == ("yes", "no")


def test_missing_submissions_can_count_zero() -> None:
    """A submission that is not autograded is not missing."""
    rows = {(row[3], row[0]): row[9] for row in parsed(Options(missing=Missing.ZERO))}
    assert rows["ben", "Übung 2"] == "0"
    assert rows["zoe", "ps1"] == ""


def moodle(options: Options) -> dict[str, dict[str, str]]:
    """The rows by email address or user name, the columns by header, as Moodle maps them."""
    header, *rows = parsed(options)
    found = (dict(zip((one.strip() for one in header), row, strict=True)) for row in rows)
    return {row["Email address"] or row["Username"]: row for row in found}


def test_moodle_finds_students_and_grades() -> None:
    """Identifying columns are unchanged; what is not final is empty."""
    found = moodle(Options(Format.MOODLE))
    assert found["ana@example.org"]["Username"] == "ana"
    assert found["ana@example.org"]["ID number"] == "4711"
    assert float(found["ana@example.org"]["ps1"]) == pytest.approx(9.2)
    assert found["ana@example.org"]["Übung 2"] == "0"
    assert found["ben@example.org"]["ps1"] == "0"
    assert found["+fay@example.org"]["Username"] == "-fay"
    assert [found[name]["ps1"] for name in ("chloé", "+fay@example.org", "zoe")] == [""] * 3


def test_unfinished_scores_can_be_included() -> None:
    """But there is no score before the first autograding."""
    found = moodle(Options(Format.MOODLE, unfinished=Unfinished.SCORE))
    assert [found[name]["ps1"] for name in ("chloé", "+fay@example.org", "zoe")] == ["3", "4", ""]


def test_canvas_finds_students_assignments_and_points() -> None:
    """Its fixed columns, the row of the maximum, and a row for each student."""
    header, points, *rows = parsed(Options(Format.CANVAS))
    assert header[:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert header[5:] == ["ps1", "Übung 2"]
    assert "Points Possible" in points[0]
    assert points[5:] == ["8", "2.5"]
    assert rows[0] == ["Ahlers, Ana", "4711", "", "ana", "", "9.2", "0"]
    assert [row[3] for row in rows] == ["ana", "ben", "chloé", "-fay", "zoe"]
    assert not any("Points Possible" in row[0] for row in rows)


@pytest.mark.parametrize("form", Format)
def test_no_cell_is_a_formula(form: Format) -> None:
    """Whatever a student entered as a name; numbers stay numbers."""
    text = export(GRADES, Options(form))
    assert "calc" in text
    for row in csv.reader(io.StringIO(text)):
        assert not any(cell.startswith("=") for cell in row)


def test_one_assignment() -> None:
    """Only its column is in the file."""
    header, *_ = parsed(Options(Format.MOODLE, assignment="Übung 2"))
    assert header[5:] == ["Übung 2"]
    with pytest.raises(ConfigError, match="unknown; the course's assignments are: ps1, Übung 2"):
        parsed(Options(assignment="ps9"))


def test_options_are_checked_together() -> None:
    """Every problem is reported, with what to use."""
    assert read_options({}) == Options()
    with pytest.raises(ConfigError) as raised:
        read_options({"format": "xls", "missing": "1", "student": "ana"})
    assert raised.value.problems == (
        "student: unknown option; the options are format, assignment, missing, unfinished",
        "format: use csv, moodle or canvas",
        "missing: use empty or zero",
    )


def test_the_name_of_the_file_is_plain() -> None:
    """It is part of a header field."""
    options = Options(Format.MOODLE, assignment='Üb"ung\n2')
    assert file_name("stats101", options) == "grades-stats101-_b_ung_2-moodle.csv"
