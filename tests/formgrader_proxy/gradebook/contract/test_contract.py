"""The quick answers are nbgrader's, field by field, for every course."""

from pathlib import Path
from typing import Any

import pytest
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config

from services.formgrader_proxy.commands.check_courses import check_courses
from services.formgrader_proxy.gradebook import handlers
from services.formgrader_proxy.gradebook.reads import agreement
from services.formgrader_proxy.gradebook.reads.agreement import agreement_warning, agrees
from services.formgrader_proxy.gradebook.reads.course_api import CourseAPI
from services.formgrader_proxy.gradebook.reads.fast_gradebook import FastGradebook
from tests.fakes.postgres import postgres, postgres_url
from tests.formgrader_proxy.gradebook.contract.comparison import differences
from tests.formgrader_proxy.gradebook.contract.random_course import RandomCourse
from tests.formgrader_proxy.gradebook.gradebooks import new_gradebook

__all__ = ["postgres", "postgres_url"]


def course(tmp_path: Path, seed: int, **size: int) -> RandomCourse:
    root = tmp_path / "course"
    made = RandomCourse(root, f"sqlite:///{root / 'gradebook.db'}", seed)
    made.make(**size)
    return made


@pytest.mark.parametrize("seed", range(3))
def test_random_courses(tmp_path: Path, seed: int) -> None:
    """Late, missing, repeated and removed submissions, with every kind of cell and score."""
    made = course(tmp_path, seed, students=6, assignments=3)
    assert differences(made.root, made.url) == []


@pytest.mark.parametrize("seed", [10])
def test_random_courses_in_postgresql(tmp_path: Path, postgres_url: str, seed: int) -> None:
    """The same with the other database."""
    pytest.importorskip("psycopg2")
    url = postgres_url.replace("postgresql:", "postgresql+psycopg2:", 1)
    made = RandomCourse(tmp_path / "course", url, seed)
    made.make(students=5, assignments=3)
    assert differences(made.root, url) == []


def test_an_empty_course(tmp_path: Path) -> None:
    """Neither folders nor anything in the gradebook."""
    url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    new_gradebook(url).close()
    assert differences(tmp_path, url) == []


@pytest.mark.parametrize("strict", [True, False])
def test_with_an_exchange(tmp_path: Path, strict: bool) -> None:
    """With strict submissions nbgrader does not look for missing notebooks."""
    made = course(tmp_path, 20, students=4, assignments=2)
    (made.root / "exchange" / "course101" / "outbound" / "ps1").mkdir(parents=True)
    settings = Config()
    settings.ExchangeSubmit.strict = strict
    assert differences(made.root, made.url, settings) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("submitted_directory", "handed in"),
        ("submitted_directory", "elsewhere/submitted"),
        ("directory_structure", "{nbgrader_step}/{assignment_id}/{student_id}"),
        ("autograded_directory", "graded"),
    ],
)
def test_with_other_folders(tmp_path: Path, name: str, value: str) -> None:
    """An unusual structure is left to nbgrader."""
    made = course(tmp_path, 30, students=3, assignments=2)
    settings = Config({"CourseDirectory": {name: value}})
    if name == "submitted_directory":
        (made.root / value).parent.mkdir(exist_ok=True)
        (made.root / "submitted").rename(made.root / value)
    elif name == "autograded_directory":
        (made.root / "autograded").rename(made.root / value)
    assert differences(made.root, made.url, settings) == []


def test_times_are_shown_as_configured(tmp_path: Path) -> None:
    """nbgrader's time zone and format apply."""
    made = course(tmp_path, 40, students=3, assignments=2)
    settings = Config()
    settings.NbGraderAPI.timezone = "Europe/Berlin"
    settings.NbGraderAPI.timestamp_format = "%d.%m.%Y %H:%M %Z"
    assert differences(made.root, made.url, settings) == []


def test_a_difference_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong score, by which one can see that the comparison compares."""
    made = course(tmp_path, 0, students=3, assignments=2)
    original = FastGradebook.student_dicts

    def wrong(gradebook: FastGradebook) -> list[dict[str, Any]]:
        return [one | {"score": one["score"] + 0.01} for one in original(gradebook)]

    monkeypatch.setattr(FastGradebook, "student_dicts", wrong)
    assert any(line.startswith("get_students(): ") for line in differences(made.root, made.url))


def test_only_known_versions_of_nbgrader_are_read_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """With any other, nbgrader's own answers are used, and check-courses reports it."""
    assert agrees()
    assert agreement_warning() == ""
    assert handlers.settings()["classroom_api"] is CourseAPI
    monkeypatch.setattr(agreement, "installed", lambda _: "0.10.0")
    lines: list[str] = []
    assert check_courses("courses.toml", {}, lines.append) == 0
    assert "nbgrader 0.10.0 is not one of the versions" in lines[1]
    assert handlers.settings()["classroom_api"] is NbGraderAPI
