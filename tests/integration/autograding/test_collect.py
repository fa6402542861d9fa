"""Collecting from nbgrader's exchange, where students write whatever they like."""

import os
from pathlib import Path

import pytest

from tests.integration.autograding.conftest import settings
from tests.integration.autograding.formgrader import (
    Course,
    Formgrader,
    copy_of,
    formgrader,
    nbgrader,
)
from tests.integration.formgrader_proxy.course import ASSIGNMENT

SECRET = "the grades of all students"
TIME = "2026-02-01 12:00:00 UTC"


@pytest.fixture
def course(new_course: Path, tmp_path: Path) -> Course:
    """A course with an exchange."""
    course = Course(copy_of(new_course, tmp_path))
    (course.path / "secret.txt").write_text(SECRET)
    inbound(course).mkdir(parents=True)
    return course


def inbound(course: Course) -> Path:
    """Where students put their submissions."""
    return course.path / "exchange" / "course101" / "inbound"


def hand_in(course: Course, student: str, *, name: str = "") -> Path:
    """A submission in the exchange."""
    made = course.submit(student)
    (made / "timestamp.txt").write_text(TIME)
    return made.rename(inbound(course) / (name or f"{student}+{ASSIGNMENT}+{TIME}+abc"))


def test_nbgrader_follows_links(course: Course) -> None:
    """Without our guard, the content is in the collected submission."""
    (hand_in(course, "mallet") / "link.txt").symlink_to(course.path / "secret.txt")
    nbgrader(course, "collect", ASSIGNMENT)
    assert (course.submitted("mallet") / "link.txt").read_text() == SECRET


@pytest.mark.attack("files-in-the-exchange")
def test_hostile_submissions_are_not_collected(course: Course) -> None:
    """Each is refused with a reason, honest ones are collected, and earlier ones are kept."""
    with formgrader(course.path, settings()) as running:
        hand_in(course, "honest")
        (hand_in(course, "linker") / "link.txt").symlink_to(course.path / "secret.txt")
        os.mkfifo(hand_in(course, "piper") / "pipe")
        os.link(course.path / "secret.txt", hand_in(course, "hard") / "link.txt")
        hand_in(course, "late", name=f"late+{ASSIGNMENT}+yesterday+abc")
        hand_in(course, "tag", name=f"<img src=x onerror=alert(1)>+{ASSIGNMENT}+{TIME}+abc")
        hand_in(course, "dots", name=f"..+{ASSIGNMENT}+{TIME}+abc")
        folder = hand_in(course, "elsewhere")
        folder.rename(course.path / "elsewhere")
        folder.symlink_to(course.path / "elsewhere")
        earlier = course.submit("linker")
        result = collect(running)
        assert not result["success"]
        assert "Traceback" not in result["error"]
        for words in (
            '"link.txt" is a symbolic link',
            '"pipe" is a named pipe',
            "hard links",
            "The name of its folder in the exchange is invalid",
            "is a symbolic link",
        ):
            assert words in result["error"]
        assert (course.submitted("honest") / "timestamp.txt").read_text() == TIME
        collected = {path.parent.name for path in (course.path / "submitted").glob("*/*")}
        assert collected == {"ana", "mallory", "honest", "linker"}
        assert not (earlier / "link.txt").exists()
        assert (earlier / "sums.ipynb").exists()
        assert SECRET not in "".join(
            path.read_text() for path in (course.path / "submitted").rglob("*.txt")
        )


def collect(running: Formgrader) -> dict[str, str]:
    """The result of the action that the page's button starts."""
    return running.action(f"assignment/{ASSIGNMENT}/collect")
