"""The courses file: what it means, and what is said of a bad one."""

from pathlib import Path

import pytest

from common.config.settings_file import Reload
from common.errors import ConfigError
from services.formgrader_proxy.courses import Course, CoursesFile, Mode, is_course_id, load_courses

GOOD = '[[course]]\nid = "sums"\ndirectory = "/srv/sums"\n'
WHOLE = """
[[course]]
id = "sums"
title = "Sums for all"
directory = "/srv/sums"
graders = ["tutors", "staff"]
instructors = "staff"
db_url_file = "/run/secrets/sums"
idle_seconds = 60
mode = "full"
lab_directory = "courses/sums"

[[course]]
id = "remote"
url = "http+unix://%2Frun%2Fformgrader.sock"
token_file = "/run/secrets/remote"
"""


def problems(text: str, *, root: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_courses(text, root=root)
    return list(refused.value.problems)


def test_every_key_arrives() -> None:
    """What stands in the file is what the course is."""
    courses = load_courses(WHOLE)
    sums, remote = courses["sums"], courses["remote"]
    assert (sums.title, sums.directory, sums.mode) == (
        "Sums for all",
        Path("/srv/sums"),
        Mode.FULL,
    )
    assert sums.groups.graders == {"tutors", "staff"}
    assert sums.groups.instructors == {"staff"}
    assert (sums.idle_seconds, sums.lab_directory) == (60, "courses/sums")
    assert sums.managed
    assert remote.url == "http+unix://%2Frun%2Fformgrader.sock"
    assert not remote.managed


def test_defaults() -> None:
    """A course needs an id and a place; its graders are nbgrader's group, all instructors."""
    course = load_courses(GOOD)["sums"]
    assert course.title == "sums"
    assert course.groups.graders == {"formgrade-sums"}
    assert course.groups.instructors == set()
    assert (course.mode, course.idle_seconds) == (Mode.LISTED, 1800)


def test_the_services_instructors_hold_where_a_course_names_none() -> None:
    """A course's own group comes first."""
    courses = load_courses(WHOLE + GOOD.replace("sums", "more"), instructors=frozenset({"profs"}))
    assert courses["more"].groups.instructors == {"profs"}
    assert courses["sums"].groups.instructors == {"staff"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ('grader = ["x"]', "did you mean"),
        ('url = "http://x"', "not both"),
        ("graders = []", "names of Hub groups"),
        ("graders = [1]", "as a text"),
        ('mode = "open"', '"listed"'),
        ('idle_seconds = "1h"', "write seconds"),
        ("idle_seconds = true", "write seconds"),
        ("idle_seconds = -1", "write seconds"),
        ("idle_seconds = nan", "write seconds"),
        ('lab_directory = "../x"', "below a user's own home"),
        ('lab_directory = "/x"', "below a user's own home"),
        ('user = "other"', "runs as root"),
        ('token_file = "/x"', "only with a url"),
        ("title = 3", "text in quotes"),
    ],
)
def test_one_mistake(changed: str, said: str) -> None:
    """It is told once, with its course and key."""
    (problem,) = problems(GOOD + changed)
    assert problem.startswith(f'course "sums", {changed.partition(" ")[0]}')
    assert said in problem


@pytest.mark.parametrize(
    "url", ["ftp://x", "http://", "http://x/base", "http://u:p@x", "http://x?y", "x"]
)
def test_an_address_that_is_none(url: str) -> None:
    """An upstream's url is scheme and authority only."""
    assert problems(f'[[course]]\nid = "c"\nurl = "{url}"\n')


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "é", "-x", "x" * 101, "health", "oauth_callback", "audit"]
)
def test_an_id_that_is_none(name: str) -> None:
    """An id is one plain segment, and no address of the service itself."""
    assert not is_course_id(name)
    assert problems(f'[[course]]\nid = "{name}"\ndirectory = "/srv/x"\n')


def test_all_mistakes_at_once() -> None:
    """Also across courses, and the same id twice."""
    found = problems(GOOD + GOOD + '[[course]]\nid = "x"\nmode = "y"\n')
    assert len(found) == 3


@pytest.mark.parametrize("text", ["[[course", "course = 1", "[other]\nx = 1"])
def test_what_is_no_courses_file(text: str) -> None:
    """It is refused with words, never a traceback."""
    assert problems(text)


def test_another_user_wants_root() -> None:
    """Only root can run a formgrader as somebody else."""
    assert load_courses(GOOD + 'user = "grades"', root=True)["sums"].user == "grades"


def test_a_changed_file_comes_in_force_and_a_bad_one_does_not(tmp_path: Path) -> None:
    """The last good courses stay until the mistake is mended."""

    def load(text: str) -> dict[str, Course]:
        return load_courses(text)

    path = tmp_path / "courses.toml"
    path.write_text(GOOD)
    file = CoursesFile(path, load)
    assert file.reload_if_changed() is Reload.UNCHANGED
    path.write_text(WHOLE)
    assert file.reload_if_changed() is Reload.LOADED
    assert set(file.courses) == {"sums", "remote"}
    path.write_text(GOOD + "mode = 1")
    assert file.reload_if_changed() is Reload.REFUSED
    assert set(file.courses) == {"sums", "remote"}
    assert file.problems
    path.write_text(GOOD)
    assert file.reload_if_changed() is Reload.LOADED
    assert (set(file.courses), list(file.problems)) == ({"sums"}, [])
