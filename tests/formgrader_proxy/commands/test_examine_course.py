"""What is wrong with a course, found by a real check of a real nbgrader in a process of its own."""

import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")
from services.formgrader_proxy.access import CourseGroups
from services.formgrader_proxy.commands import examine_course as runner
from services.formgrader_proxy.commands.examine_course import examine_course
from services.formgrader_proxy.course_check.directory import examine_directory
from services.formgrader_proxy.course_check.findings import Finding, Kind
from services.formgrader_proxy.course_check.gradebook.revisions import Upgrade
from services.formgrader_proxy.course_check.gradebook.sqlite_file import examine_file
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.upstream.process.process import Account

CONFIG = "nbgrader_config.py"
PROTECT = (
    "from services.formgrader_proxy.autograding.guards import protect\nprotect(sandbox='nix')\n"
)


def course(directory: Path, **more: str | Path) -> Course:
    return Course("c1", "Sums", CourseGroups(frozenset({"g"})), directory, **more)  # type: ignore[arg-type]  # fields of the course


def check(directory: Path, **more: str | Path) -> list[Finding]:
    """The findings, after making sure that the check wrote nothing."""
    before = contents(directory)
    findings = examine_course(course(directory, **more))
    assert contents(directory) == before
    return findings


def contents(directory: Path) -> dict[str, tuple[int, int]]:
    if not directory.is_dir():
        return {}
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in [directory, *directory.rglob("*")]
        if path.suffix != ".db-shm"  # memory that SQLite shares between its readers
    }


@pytest.fixture(scope="module")
def gradebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gradebook that nbgrader made, with names on which it fails later."""
    path = tmp_path_factory.mktemp("made") / "gradebook.db"
    code = (
        "import sys\nfrom nbgrader.api import Gradebook\n"
        "with Gradebook('sqlite:///' + sys.argv[1], 'c1') as book:\n"
        "    book.add_assignment('ps1'); book.add_assignment('ps (2)')\n"
        "    book.add_student('ana'); book.add_student('a+b'); book.add_student('DOM\\\\eve')\n"
    )
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=True,
        env=os.environ | {"PATH": programs},
        capture_output=True,
    )
    return path


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to switch the account")


def open_to_all(directory: Path) -> None:
    """pytest's own directories are only for this account."""
    for parent in (directory, *directory.parents):
        if parent == Path(tempfile.gettempdir()):
            return
        parent.chmod(0o755)


def as_nobody(function: Callable[[], str]) -> str:
    """The result of a function in a child process with the account nobody."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        os.write(writer, function().encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as result:
        text = result.read()
    os.waitpid(child, 0)
    return text


def test_a_new_course_has_no_findings(tmp_path: Path) -> None:
    """Without a configuration or a gradebook; nbgrader creates the latter later."""
    assert check(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("c = get_config()\nc.Exchange.root = \n", [f"{CONFIG}, line 2: SyntaxError"]),
        ("\nc.Exchange.root = path\n", [f"{CONFIG}, line 2: NameError", "'path'"]),
        ('load_subconfig("more.py")\n', ["more.py, line 2: KeyError: 'exam'"]),
        ("import sys\nsys.exit(3)\n", [f"{CONFIG}, line 2: sys.exit(3)"]),
        (PROTECT, [CONFIG, 'sandbox: use one of "auto"']),
        ("c.CourseDirectory.db_url = 5\n", [CONFIG, "db_url", "not the int 5"]),
        ("c.CourseDirectory.root = '/srv'\n", ["CourseDirectory.root to /srv", "directory"]),
        ("raise ValueError('postgresql://me:hush@db/x')", ["postgresql://me:***@db/x"]),
    ],
    ids=["syntax", "name", "loaded-file", "exit", "protect", "type", "root", "secret"],
)
def test_an_error_in_the_configuration(tmp_path: Path, text: str, words: list[str]) -> None:
    """File, line and error, without secrets; nbgrader would ignore the whole file."""
    (tmp_path / CONFIG).write_text(text)
    (tmp_path / "more.py").write_text("\nraise KeyError('exam')\n")
    (finding,) = check(tmp_path)
    assert (finding.kind, finding.serious) == (Kind.CONFIGURATION, True)
    for word in words:
        assert word in finding.text
    assert str(tmp_path / CONFIG) in {version.path for version in finding.watched}


@pytest.mark.parametrize("folder", [".jupyter", ".local/etc/jupyter"])
def test_files_of_the_account_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """nbgrader reads them for every course of the account."""
    place = tmp_path / "home" / folder
    place.mkdir(parents=True)
    (place / "nbgrader_config.json").write_text("{\n  'x'\n}")
    account = Account("me", str(tmp_path / "home"))
    monkeypatch.setattr(Account, "named", lambda _: account)
    (tmp_path / "course").mkdir()
    findings = check(tmp_path / "course")
    if folder == ".jupyter":
        (finding,) = findings
        assert f"{place}/nbgrader_config.json, line 2: invalid JSON" in finding.text


def test_an_unknown_setting_is_a_warning(tmp_path: Path) -> None:
    """With traitlets' suggestion. So is another course id."""
    (tmp_path / CONFIG).write_text(
        "c.CourseDirectory.db_urll = 'x'\nc.CourseDirectory.course_id = 'c2'\n"
    )
    findings = check(tmp_path)
    assert [finding.serious for finding in findings] == [False, False]
    assert any('course_id = "c2"' in finding.text for finding in findings)
    assert any("Did you mean `db_url`" in finding.text for finding in findings)


def test_two_gradebooks(tmp_path: Path) -> None:
    """The courses file and the configuration must not disagree."""
    (tmp_path / CONFIG).write_text("c.CourseDirectory.db_url = 'sqlite:////tmp/other.db'\n")
    secret = tmp_path / "url"
    secret.write_text(f"sqlite:///{tmp_path}/mine.db\n")
    (finding,) = check(tmp_path, db_url_file=secret)
    assert "CourseDirectory.db_url to another database than the db_url_file" in finding.text


def test_it_ends_and_its_output_is_discarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration that never ends, and starts a process."""
    monkeypatch.setattr(runner, "SECONDS", 5)
    seconds = 1000 + os.getpid() / 2**22  # that of no other test
    (tmp_path / CONFIG).write_text(
        "import subprocess, sys\nprint('hello' * 100000)\n"
        f"subprocess.Popen(['sleep', '{seconds}'], cwd={str(tmp_path)!r})\nwhile True: pass\n"
    )
    (finding,) = check(tmp_path)
    assert "took more than 5 s" in finding.text
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert f"sleep {seconds}" not in running.stdout


def nowhere(place: Path) -> str:
    return f"{place} does not exist"


def a_file(place: Path) -> str:
    place.write_text("")
    return f"{place} is a file"


@pytest.mark.parametrize("prepare", [nowhere, a_file])
def test_a_directory_that_cannot_be_used(tmp_path: Path, prepare: Callable[[Path], str]) -> None:
    """Once reported as good."""
    words = prepare(tmp_path / "course")
    (finding,) = check(tmp_path / "course")
    assert finding.kind is Kind.DIRECTORY
    assert words in finding.text


@needs_root
@pytest.mark.parametrize(("mode", "words"), [(0o700, "may not read"), (0o755, "may not write to")])
def test_a_directory_of_another_account(tmp_path: Path, mode: int, words: str) -> None:
    """What root could use, the course's account may not be able to."""
    open_to_all(tmp_path)
    folder = tmp_path / "course"
    folder.mkdir()
    folder.chmod(mode)
    found = as_nobody(lambda: str(examine_directory(str(folder), "nobody")))
    assert f"The account nobody {words}" in found


def test_missing_software(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``pip install jupyterhub-classroom`` without its extra lacks is named."""
    monkeypatch.setitem(sys.modules, "nh3", None)
    (finding,) = check(tmp_path)
    assert finding.kind is Kind.SOFTWARE
    assert finding.text.startswith(f"nh3 is not installed for {sys.executable}.")


def test_a_missing_account(tmp_path: Path) -> None:
    """The sentence names the setting."""
    (finding,) = check(tmp_path, user="no-such-account")
    assert "no account “no-such-account”" in finding.text
    assert "courses file" in finding.text


def older(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '724cde206c17'")


def newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")


def ancient(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE alembic_version")
        database.execute("ALTER TABLE student DROP COLUMN lms_user_id")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("This is not a database at all.")


def damaged(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE zoo (id)")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (older, "older nbgrader"),
        (ancient, "older nbgrader"),
        (newer, "newer nbgrader"),
        (emptied, "is empty (0 bytes)"),
        (text, "is not a SQLite database"),
        (damaged, "cannot be read"),
        (foreign, "not a gradebook"),
    ],
)
def test_a_gradebook_that_nbgrader_cannot_use(
    tmp_path: Path, gradebook: Path, spoil: Callable[[Path], None], words: str
) -> None:
    """Named, and left as it is."""
    path = tmp_path / "gradebook.db"
    shutil.copy(gradebook, path)
    spoil(path)
    (finding,) = check(tmp_path)
    assert finding.kind is Kind.GRADEBOOK
    assert words in finding.text
    assert str(path) in finding.text
    if words == "older nbgrader":
        account = pwd.getpwuid(os.geteuid()).pw_name
        assert f"cd {tmp_path} && sudo -u {account} " in finding.text
        assert finding.text.endswith("/nbgrader db upgrade")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_locked_gradebook(tmp_path: Path, gradebook: Path, mode: str) -> None:
    """By another process that writes and does not end; named by its process id."""
    path = tmp_path / "gradebook.db"
    shutil.copy(gradebook, path)
    code = (
        "import sqlite3, sys\n"
        "book = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "book.execute('PRAGMA journal_mode = ' + sys.argv[2])\n"
        "book.execute('BEGIN IMMEDIATE')\nprint('locked', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        (finding,) = check(tmp_path)
        writer.communicate()
    assert f"locked for 6 s by process {writer.pid}" in finding.text
    assert [one for one in check(tmp_path) if one.serious] == []


def test_a_gradebook_in_use_is_fine(tmp_path: Path, gradebook: Path) -> None:
    """Also with a write-ahead log, and one that a killed process left behind."""
    path = tmp_path / "gradebook.db"
    shutil.copy(gradebook, path)
    book = sqlite3.connect(path, isolation_level=None)
    book.execute("PRAGMA journal_mode = wal")
    book.execute("INSERT INTO student (id) VALUES ('bob')")
    assert [one for one in check(tmp_path) if one.serious] == []
    book.close()
    assert [one for one in check(tmp_path) if one.serious] == []


@needs_root
def test_a_gradebook_that_the_account_may_not_write(tmp_path: Path, gradebook: Path) -> None:
    """As after copying it from a backup as root."""
    open_to_all(tmp_path)
    folder = tmp_path / "course"
    folder.mkdir()
    folder.chmod(0o777)
    path = folder / "gradebook.db"
    shutil.copy(gradebook, path)
    path.chmod(0o644)
    found = as_nobody(lambda: str(examine_file(path, "nobody", Upgrade(""))))
    assert f"read-only: the account nobody may not write to {path}" in found


def test_names_in_the_gradebook_are_warnings(tmp_path: Path, gradebook: Path) -> None:
    """Of an assignment and of students, with the rule."""
    shutil.copy(gradebook, tmp_path / "gradebook.db")
    assignments, students = check(tmp_path)
    assert (assignments.serious, students.serious) == (False, False)
    assert "1 assignment has a name with which nbgrader fails: ps (2)." in assignments.text
    assert "2 students have names with which nbgrader fails: DOM\\eve, a+b." in students.text


def test_a_server_that_is_down(tmp_path: Path) -> None:
    """The sentence has its reason and no password."""
    secret = tmp_path / "url"
    secret.write_text("postgresql://me:hush@127.0.0.1:1/grades\n")
    (finding,) = check(tmp_path, db_url_file=secret)
    assert 'The database "grades" on 127.0.0.1 cannot be used:' in finding.text
    assert "refused" in finding.text
    assert "hush" not in finding.text


def test_a_db_url_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Named before anything is started."""
    (finding,) = check(tmp_path, db_url_file=tmp_path / "missing")
    assert f"{tmp_path}/missing cannot be read" in finding.text
