"""A course's own code, run by a command of the administrator, is limited in every way."""

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")
from common.errors import ConfigError
from services.formgrader_proxy.access import CourseGroups
from services.formgrader_proxy.commands import as_account
from services.formgrader_proxy.commands.bounded import Ended, run_bounded
from services.formgrader_proxy.commands.examine_course import examine_course
from services.formgrader_proxy.commands.gradebook_indexes import gradebook_indexes
from services.formgrader_proxy.commands.grades import grades
from services.formgrader_proxy.course_check.findings import Finding, Kind, from_json, to_json
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.upstream.process.process import Account
from tests.paths import ROOT

#: Forks a process that hides from killpg and keeps the output open.
HIDES = """
import os, time
if not os.fork():
    os.setsid()
    time.sleep(30)
    os._exit(0)
"""


def run(code: str, *, seconds: float = 20, most_bytes: int = 10_000) -> Ended:
    return run_bounded(
        (sys.executable, "-c", code),
        b"",
        Account.named(None),
        directory="/",
        environment=os.environ,
        seconds=seconds,
        most_bytes=most_bytes,
    )


def course_with(directory: Path, config: str) -> Course:
    (directory / "nbgrader_config.py").write_text(config)
    return Course("c1", "Sums", CourseGroups(frozenset({"g"})), directory)


def test_a_hidden_process_does_not_delay_the_end() -> None:
    """It holds the output open for 30 s."""
    began = time.monotonic()
    ended = run(HIDES + "print('done')")
    assert (ended.status, ended.output, ended.timely) == (0, b"done\n", True)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("stream", [1, 2])
def test_output_without_an_end(stream: int) -> None:
    """It is killed, and little is kept."""
    ended = run(f"import os\nwhile True: os.write({stream}, b'x' * 4096)")
    assert (ended.complete, ended.timely, ended.status) == (False, True, -9)
    assert len(ended.output) + len(ended.errors) <= 10_000


def test_a_program_without_an_end() -> None:
    """With what it has started."""
    ended = run("import subprocess\nsubprocess.run(['sleep', '4321'])", seconds=1)
    assert not ended.timely
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "sleep 4321" not in running.stdout


def test_it_has_no_terminal() -> None:
    """With one it could type commands for the administrator, who is often root."""
    code = (
        "import sys\nfrom tests.formgrader_proxy.commands.test_bounded import run\n"
        "open('/dev/tty').close()\n"
        "print('terminal:', run('open(\"/dev/tty\")').errors[-60:])\n"
    )
    child, terminal = pty.fork()
    if not child:
        os.chdir(ROOT)
        os.execv(sys.executable, (sys.executable, "-c", code))  # noqa: S606 - fixed
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # how Linux ends the output of a terminal
        pass
    os.waitpid(child, 0)
    os.close(terminal)
    assert b"terminal:" in shown
    assert b"No such device or address" in shown


_COMMANDS: dict[str, Callable[[Course], str]] = {
    "grades": lambda course: grades(course, {}),
    "indexes": lambda course: gradebook_indexes(course, remove=False),
}


@pytest.mark.parametrize("command", _COMMANDS)
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os.write(1, b'[1]'); os._exit(0)", "printed something unexpected"),
        ("os.write(1, b'{'); os._exit(0)", "printed something unexpected"),
        ("os.write(2, b'\\x1b]0;owned\\x07'); os._exit(3)", r"\x1b]0;owned\x07"),
        ("os._exit(3)", "ended with status 3"),
        ("while True: os.write(2, b'x' * 4096)", "printed more than 0 MB"),
    ],
    ids=["other", "broken", "escapes", "silent", "endless"],
)
def test_what_a_configuration_prints_is_an_error_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: str, words: str
) -> None:
    """One line without control characters, and never a traceback."""
    monkeypatch.setattr(as_account, "MOST_BYTES", 100_000)
    course = course_with(tmp_path, f"import os\n{code}\n")
    (tmp_path / "gradebook.db").touch()
    with pytest.raises(ConfigError) as raised:
        _COMMANDS[command](course)
    assert words in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_process_of_the_configuration_does_not_delay_the_grades(tmp_path: Path) -> None:
    """Even if it keeps standard output open."""
    course = course_with(tmp_path, HIDES)
    began = time.monotonic()
    with pytest.raises(ConfigError, match="no gradebook"):
        grades(course, {})
    assert examine_course(course) == []
    assert time.monotonic() - began < 25


def test_findings_do_not_control_the_terminal() -> None:
    """They may quote what the configuration raised."""
    (found,) = from_json(to_json([Finding(Kind.CONFIGURATION, "a\x1b[2Jb\u202ec")]))
    assert found.text == "a\ufffd[2Jb\ufffdc"
