"""A course's own code, run by a command of the administrator, cannot harm it."""

import os
import pty
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")
from common.errors import ConfigError
from services.formgrader_proxy.access import CourseGroups
from services.formgrader_proxy.commands import as_account
from services.formgrader_proxy.commands.examine_course import examine_course
from services.formgrader_proxy.commands.gradebook_indexes import gradebook_indexes
from services.formgrader_proxy.commands.grades import grades
from services.formgrader_proxy.course_check.findings import Finding, Kind, from_json, to_json
from services.formgrader_proxy.courses import Course
from tests.paths import ROOT

#: Forks a process that hides from killpg and keeps the output open.
HIDES = """
import os, time
if not os.fork():
    os.setsid()
    time.sleep(30)
    os._exit(0)
"""


def course_with(directory: Path, config: str) -> Course:
    (directory / "nbgrader_config.py").write_text(config)
    return Course("c1", "Sums", CourseGroups(frozenset({"g"})), directory)


def test_it_has_no_terminal(tmp_path: Path) -> None:
    """With one it could type commands for the administrator, who is often root."""
    course_with(
        tmp_path,
        "import os\ntry:\n    open('/dev/tty')\n    found = 'a terminal'\n"
        "except OSError as error:\n    found = error.strerror\n"
        "os.write(2, ('found: ' + found).encode())\nos._exit(3)\n",
    )
    (tmp_path / "gradebook.db").touch()
    code = (
        "import pathlib\nfrom tests.formgrader_proxy.commands.test_hostile_configuration import *\n"
        "open('/dev/tty').close()\n"
        f"course = course_with(pathlib.Path({str(tmp_path)!r}), "
        f"pathlib.Path({str(tmp_path / 'nbgrader_config.py')!r}).read_text())\n"
        "try:\n    grades(course, {})\nexcept ConfigError as error:\n    print(error)\n"
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
    assert b"found: No such device or address" in shown


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
    monkeypatch.setattr(as_account, "OUTPUT_BYTES", 100_000)
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
