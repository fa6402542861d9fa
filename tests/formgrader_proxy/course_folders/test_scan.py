"""Courses that are found as folders, as this account and, if it is root, as others."""

import grp
import os
import pwd
from pathlib import Path

import pytest

from common.config.settings_file import Reload
from common.errors import ConfigError
from services.formgrader_proxy.course_folders import scan
from services.formgrader_proxy.course_folders.scan import Folders
from services.formgrader_proxy.courses import Course, is_course_id
from services.formgrader_proxy.courses_file.file import CoursesFile, load_courses

NOBODY, GROUP = "nobody", "daemon"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners: run the tests as root")


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    directory = tmp_path / "courses"
    directory.mkdir(mode=0o755)
    return directory


def make(parent: Path, name: str, mark: str = "source", *, owner: str | None = None) -> Path:
    """A course's folder."""
    folder = parent / name
    folder.mkdir()
    (folder / mark).mkdir() if mark == "source" else (folder / mark).touch()
    if owner is not None:
        os.chown(folder, pwd.getpwnam(owner).pw_uid, -1)
    return folder


def load(
    parent: Path, more: str = "", *, root: bool = False
) -> tuple[dict[str, Course], list[str]]:
    """The courses of a file with one pattern, and the problems of folders."""
    folders = Folders(root, is_course_id)
    text = f'[[course]]\ndirectory = "{parent}/{{id}}"\n{more}'
    return load_courses(text, root=root, folders=folders), folders.problems


@pytest.mark.parametrize("mark", ["source", "gradebook.db", "nbgrader_config.py"])
def test_a_folder_with_a_course_is_a_course(parent: Path, mark: str) -> None:
    """Others are not, and need no explanation."""
    make(parent, "stats101", mark)
    (parent / "notes").mkdir()
    (parent / ".hidden").mkdir()
    (parent / "gradebook.db").touch()
    courses, problems = load(parent)
    assert {one.id: one.directory for one in courses.values()} == {"stats101": parent / "stats101"}
    assert courses["stats101"].groups.graders == {"formgrade-stats101"}
    assert problems == []


def test_the_placeholder_is_replaced_in_all_texts(parent: Path) -> None:
    """Titles, groups and paths."""
    make(parent, "bio")
    courses, _ = load(
        parent,
        'title = "Course {id}"\ngraders = ["staff-{id}", "all"]\n'
        'instructors = "teach-{id}"\nlab_directory = "c/{id}"\nidle_seconds = 5\n',
    )
    course = courses["bio"]
    assert (course.title, course.lab_directory, course.idle_seconds) == ("Course bio", "c/bio", 5)
    assert course.groups.graders == {"staff-bio", "all"}
    assert course.groups.instructors == {"teach-bio"}


def test_a_course_with_its_own_table_is_configured_there(parent: Path) -> None:
    """Wherever the table is in the file."""
    make(parent, "bio")
    courses, problems = load(parent, '[[course]]\nid = "bio"\ndirectory = "/srv/other"\n')
    assert courses["bio"].directory == Path("/srv/other")
    assert problems == []


def test_folders_that_are_no_courses_are_reported(parent: Path) -> None:
    """The others are served."""
    make(parent, "a b")
    make(parent, "api")  # reserved
    make(parent, "open").chmod(0o777)
    make(parent, "good")
    (parent / "linked").symlink_to(parent / "good")
    courses, problems = load(parent)
    assert list(courses) == ["good"]
    text = "\n".join(problems)
    assert len(problems) == 3, text
    assert '"a b" is not a valid course id' in text
    assert '"api" is not a valid course id' in text
    assert f"{parent}/open is not served: every account may write to it" in text


def test_nothing_is_served_where_everybody_may_create_folders(parent: Path) -> None:
    """Not even with the sticky bit, as in /tmp."""
    make(parent, "bio")
    parent.chmod(0o1777)
    courses, (problem,) = load(parent)
    assert courses == {}
    assert "every account may create folders there" in problem


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    """It may appear later."""
    courses, (problem,) = load(tmp_path / "missing")
    assert courses == {}
    assert "cannot be read: No such file or directory" in problem


@needs_root
def test_the_owner_of_a_folder_runs_it(parent: Path) -> None:
    """Root never runs what it finds."""
    make(parent, "bio", owner=NOBODY)
    make(parent, "roots")
    courses, (problem,) = load(parent, root=True)
    assert {one.id: one.user for one in courses.values()} == {"bio": NOBODY}
    assert f"{parent}/roots is not served: it belongs to root" in problem


@needs_root
def test_a_configured_account_only_runs_its_own_folders(parent: Path) -> None:
    """Or those of root: another account could have put a program there."""
    make(parent, "nobody", owner=NOBODY)
    make(parent, "daemon", owner=NOBODY)
    make(parent, "bin")
    make(parent, "unknown-account")
    courses, problems = load(parent, 'user = "{id}"\n', root=True)
    assert {one.id: one.user for one in courses.values()} == {"nobody": "nobody", "bin": "bin"}
    assert any('daemon is not served: it does not belong to "daemon"' in one for one in problems)
    assert any('there is no account "unknown-account"' in one for one in problems)


@needs_root
def test_a_service_without_root_refuses_folders_of_others(parent: Path) -> None:
    """It would run their nbgrader_config.py itself."""
    make(parent, "bio", owner=NOBODY)
    courses, (problem,) = load(parent, root=False)
    assert courses == {}
    assert "it belongs to another account than the service" in problem


def test_two_tables_with_the_same_course(tmp_path: Path) -> None:
    """The first table wins, and the other folder is reported."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir(mode=0o755)
        make(tmp_path / name, "bio")
    courses, (problem,) = load(tmp_path / "one", f'[[course]]\ndirectory = "{tmp_path}/two/{{id}}"')
    assert courses["bio"].directory == tmp_path / "one" / "bio"
    assert problem == f"{tmp_path}/two/bio is not served: {tmp_path}/one/bio has the same course id"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('id = "*"\ndirectory = "/srv/{id}"', "id: leave it out"),
        ('directory = "/srv/{id}/course"', "must be its last part"),
        ('directory = "/srv/x-{id}"', "must be its last part"),
        ('directory = "srv/{id}"', "use an absolute path"),
        ('directory = "/srv/{id}"\nmode = "x"', "course 1, mode"),
        ('directory = "/srv/{id}"\ncolour = "x"', "course 1, colour: unknown key"),
    ],
)
def test_mistakes_in_the_table(table: str, words: str) -> None:
    """They are reported before any folder is found."""
    with pytest.raises(ConfigError) as raised:
        load_courses(f"[[course]]\n{table}\n")
    (problem,) = raised.value.problems
    assert words in problem


def test_folders_appear_and_disappear(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a change of the courses file; a directory that cannot be read changes nothing."""
    monkeypatch.setattr(scan, "OTHER_SECONDS", 0.0)
    make(parent, "bio")
    path = parent.parent / "courses.toml"
    path.write_text(f'[[course]]\ndirectory = "{parent}/{{id}}"\n')
    folders = Folders(root=False, is_course_id=is_course_id)
    file = CoursesFile(path, lambda text: load_courses(text, folders=folders), folders)
    assert list(file.courses) == ["bio"]
    assert file.reload_if_changed() is Reload.UNCHANGED
    (parent / "chem").mkdir()
    assert file.reload_if_changed() is Reload.UNCHANGED
    (parent / "chem" / "source").mkdir()
    assert file.reload_if_changed() is Reload.LOADED
    assert sorted(file.courses) == ["bio", "chem"]
    parent.rename(parent.with_name("away"))
    assert file.reload_if_changed() is Reload.UNCHANGED
    assert "cannot be read" in file.folder_problems[0]
    parent.with_name("away").rename(parent)
    (parent / "bio" / "source").rmdir()
    (parent / "bio").rmdir()
    assert file.reload_if_changed() is Reload.LOADED
    assert (list(file.courses), file.folder_problems) == (["chem"], ())


@needs_root
@pytest.mark.parametrize(
    ("owner", "group", "mode", "words"),
    [
        ("root", GROUP, 0o775, "its group may replace"),
        (NOBODY, "root", 0o755, "its owner may replace"),
        ("root", GROUP, 0o1775, ""),
        ("root", "root", 0o775, ""),
        ("root", GROUP, 0o755, ""),
    ],
)
def test_nobody_can_replace_the_folder_of_another_account(
    parent: Path, owner: str, group: str, mode: int, words: str
) -> None:
    """Its code would run as that account. Without root, everything runs as one account."""
    make(parent, "bio", owner="daemon")
    os.chown(parent, pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
    parent.chmod(mode)
    courses, problems = load(parent, root=True)
    assert (sorted(courses), len(problems)) == (([], 1) if words else (["bio"], 0))
    assert all(words in problem for problem in problems)
    make(parent, "own")
    assert "own" in load(parent)[0]
