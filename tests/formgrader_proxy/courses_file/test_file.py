"""The courses file: what it configures, and the problems of an invalid one."""

from pathlib import Path

import pytest

from common.config.settings_file import Reload
from common.errors import ConfigError
from services.formgrader_proxy.access import Mode
from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.courses import is_course_id
from services.formgrader_proxy.courses_file.file import CoursesFile, load_courses
from services.formgrader_proxy.sandbox.settings import Limits, Mechanism, SandboxSettings

GOOD = '[[course]]\nid = "sums"\ndirectory = "/srv/sums"\n'
COMPLETE = """
[[course]]
id = "sums"
title = "Sums for all"
directory = "/srv/sums"
graders = ["tutors", "staff"]
instructors = "staff"
db_url_file = "/run/secrets/sums"
idle_seconds = 60
workers = 3
job_workers = 2
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


def test_every_key_is_used() -> None:
    """Each value of the file is in the course."""
    courses = load_courses(COMPLETE)
    sums, remote = courses["sums"], courses["remote"]
    assert (sums.title, sums.directory, sums.mode) == (
        "Sums for all",
        Path("/srv/sums"),
        Mode.FULL,
    )
    assert sums.groups.graders == {"tutors", "staff"}
    assert sums.groups.instructors == {"staff"}
    assert (sums.idle_seconds, sums.lab_directory) == (60, "courses/sums")
    assert (sums.workers, sums.job_workers) == (3, 2)
    assert sums.managed
    assert remote.url == "http+unix://%2Frun%2Fformgrader.sock"
    assert not remote.managed


def test_defaults() -> None:
    """A course needs an id and a place. Its graders are nbgrader's group, and all instructors."""
    course = load_courses(GOOD)["sums"]
    assert course.title == "sums"
    assert course.groups.graders == {"formgrade-sums"}
    assert course.groups.instructors == set()
    assert (course.mode, course.idle_seconds) == (Mode.LISTED, 1800)
    assert 1 <= course.workers == course.job_workers <= 4


def test_autograding() -> None:
    """The sandbox, its network and every limit; megabytes become bytes."""
    course = load_courses(
        GOOD + 'sandbox = "landlock"\nsandbox_network = true\nlimits = { memory_mb = 4096,'
        " cpu_seconds = 1, processes = 9, files = 10, disk_mb = 2, output_mb = 3, seconds = 4 }\n"
    )["sums"]
    assert course.autograding == AutogradingSettings(
        SandboxSettings(
            mechanism=Mechanism.LANDLOCK,
            network=True,
            limits=Limits(2**32, cpu_seconds=1, processes=9, files=10, disk=2 * 2**20),
        ),
        output_bytes=3 * 2**20,
        seconds=4,
    )


def test_autograding_isolates_by_default() -> None:
    """With the best mechanism, and without a network."""
    settings = load_courses(GOOD)["sums"].autograding
    assert (settings.sandbox, settings.isolated) == (SandboxSettings(), True)
    assert not load_courses(GOOD + 'sandbox = "none"')["sums"].autograding.isolated


def test_all_problems_of_autograding_are_reported_together() -> None:
    """And only where the service runs the formgrader."""
    wrong = 'sandbox = "x"\nsandbox_network = 1\nlimits = { files = 1, disk = 2 }\n'
    assert len(problems(GOOD + wrong)) == 4
    (problem,) = problems('[[course]]\nid = "c"\nurl = "http://x"\nsandbox = "none"\n')
    assert "only applies to a course with a directory" in problem


def test_the_services_instructors_apply_to_courses_without_their_own() -> None:
    """A course's own groups replace them."""
    courses = load_courses(
        COMPLETE + GOOD.replace("sums", "more"), instructors=frozenset({"profs"})
    )
    assert courses["more"].groups.instructors == {"profs"}
    assert courses["sums"].groups.instructors == {"staff"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ('grader = ["x"]', "did you mean"),
        ('url = "http://x"', "not both"),
        ("graders = []", "names of Hub groups"),
        ("graders = [1]", "text in quotes for each group"),
        ('mode = "open"', '"listed"'),
        ('idle_seconds = "1h"', "number of seconds"),
        ("idle_seconds = true", "number of seconds"),
        ("idle_seconds = -1", "number of seconds"),
        ("idle_seconds = nan", "number of seconds"),
        ("workers = 0", "whole number of processes from 1 to 64"),
        ("workers = true", "whole number of processes"),
        ("job_workers = 2.0", "whole number of processes"),
        ("job_workers = 65", "whole number of processes"),
        ('lab_directory = "../x"', "relative to a home directory"),
        ('lab_directory = "/x"', "relative to a home directory"),
        ('user = "other"', "runs as root"),
        ('token_file = "/x"', "only applies to a course with a url"),
        ("title = 3", "text in quotes"),
        ('sandbox = "bublewrap"', 'did you mean "bubblewrap"'),
        ("sandbox = true", 'use one of "auto", "bubblewrap", "landlock", "none"'),
        ('sandbox_network = "yes"', "true or false"),
        ("limits = 5", "use a table of limits"),
        ("limits = { memory = 5 }", 'did you mean "memory_mb"'),
        ("limits = { xyz = 5 }", "the limits are memory_mb, cpu_seconds"),
        ("limits = { memory_mb = 5 }", "memory_mb: use a whole number from 128 to 1,048,576"),
        ("limits = { seconds = 1.5 }", "seconds: use a whole number from 1 to 86,400"),
        ("limits = { files = true }", "files: use a whole number"),
    ],
)
def test_one_problem(changed: str, expected: str) -> None:
    """It is reported once, with its course and key."""
    (problem,) = problems(GOOD + changed)
    assert problem.startswith(f'course "sums", {changed.partition(" ")[0]}')
    assert expected in problem


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://x", "http://", "http://x/base", "http://u:p@x", "http://:p@x", "http://x?y", "x"),
        *("http://[::1", "http://x:99999", "http://x:http"),
    ],
)
def test_an_invalid_url(url: str) -> None:
    """A url consists of a scheme and an authority only."""
    assert problems(f'[[course]]\nid = "c"\nurl = "{url}"\n')


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "é", "-x", "x" * 101, "health", "oauth_callback", "audit"]
)
def test_an_invalid_id(name: str) -> None:
    """An id is one plain segment that the service does not use itself."""
    assert not is_course_id(name)
    assert problems(f'[[course]]\nid = "{name}"\ndirectory = "/srv/x"\n')


def test_all_problems_are_reported_together() -> None:
    """Across courses, and including a duplicate id."""
    found = problems(GOOD + GOOD + '[[course]]\nid = "x"\nmode = "y"\n')
    assert len(found) == 3


@pytest.mark.parametrize("text", ["[[course", "course = 1", "[other]\nx = 1"])
def test_an_invalid_file(text: str) -> None:
    """It is refused with a message, never a traceback."""
    assert problems(text)


def test_an_external_formgrader_has_no_processes_here() -> None:
    """Their numbers are settings of a course with a directory."""
    text = '[[course]]\nid = "c"\nurl = "http://x"\nworkers = 2\njob_workers = 2\n'
    found = problems(text)
    assert [one.partition(":")[0] for one in found] == [
        'course "c", workers',
        'course "c", job_workers',
    ]


def test_another_user_requires_root() -> None:
    """Only root can run a formgrader as another user."""
    assert load_courses(GOOD + 'user = "grades"', root=True)["sums"].user == "grades"


def test_a_changed_file_is_used_unless_it_is_invalid(tmp_path: Path) -> None:
    """The previous courses stay until the problem is fixed."""
    path = tmp_path / "courses.toml"
    path.write_text(GOOD)
    file = CoursesFile(path, load_courses)
    assert file.reload_if_changed() is Reload.UNCHANGED
    path.write_text(COMPLETE)
    assert file.reload_if_changed() is Reload.LOADED
    assert set(file.courses) == {"sums", "remote"}
    path.write_text(GOOD + "mode = 1")
    assert file.reload_if_changed() is Reload.REFUSED
    assert set(file.courses) == {"sums", "remote"}
    assert file.problems
    path.write_text(GOOD)
    assert file.reload_if_changed() is Reload.LOADED
    assert (set(file.courses), list(file.problems)) == ({"sums"}, [])


def test_a_null_character_is_reported() -> None:
    """No path or name can contain one; it would only fail when the course is used."""
    found = problems('[[course]]\nid = "c"\ndirectory = "/srv/\\u0000c"\n')
    assert 'course "c", directory: use a text in quotes, without null characters' in found


def test_a_course_needs_a_directory_or_a_url() -> None:
    """The problem names both keys."""
    (problem,) = problems('[[course]]\nid = "sums"\n')
    assert problem.startswith('course "sums", directory: missing')
    assert "url" in problem
