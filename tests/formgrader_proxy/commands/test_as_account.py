"""Modules that are run as a course's account: what they print, and how they end."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.formgrader_proxy.commands.as_account import (
    NotRun,
    finish_as_account,
    run_as_account,
)

#: Reads JSON and executes a file: a module that does what a test needs.
PROGRAM = "import json, sys; exec(json.load(sys.stdin)['code'])"


@pytest.fixture(autouse=True)
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-m program`` runs :data:`PROGRAM`. An interpreter without ``-I`` finds it."""
    (tmp_path / "program.py").write_text(PROGRAM)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift 2\ncd {tmp_path} && exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))


def run(tmp_path: Path, code: str, seconds: float = 60) -> object:
    return run_as_account("program", {"code": code}, tmp_path, None, kind=object, seconds=seconds)


def test_what_it_prints(tmp_path: Path) -> None:
    """More than a pipe holds, on both outputs."""
    code = "print('e' * 10**6, file=sys.stderr); print(json.dumps('x' * 10**6))"
    assert run(tmp_path, code) == "x" * 10**6


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise ValueError('broken')", "ValueError: broken"),
        ("sys.exit(3)", "it ended with status 3"),
        ("print('{')", "it printed something unexpected"),
    ],
)
def test_a_failure(tmp_path: Path, code: str, expected: str) -> None:
    """The text says why: the last line of the errors, if there is one."""
    with pytest.raises(NotRun, match=f"^{expected}$"):
        run(tmp_path, code)


def test_one_that_takes_too_long(tmp_path: Path) -> None:
    """It is killed, with the processes that it started."""
    seconds = 2000 + os.getpid() / 2**22  # that of no other test
    code = f"import subprocess; subprocess.Popen(['sleep', '{seconds}'])\nwhile True: pass"
    with pytest.raises(NotRun, match="it took longer than 1 s"):
        run(tmp_path, code, seconds=1)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert f"sleep {seconds}" not in running.stdout


def test_a_process_that_is_left_behind_delays_nothing(tmp_path: Path) -> None:
    """One in another session keeps the pipes open; the result does not wait for it."""
    code = (
        "import subprocess\n"
        "left = subprocess.Popen(['sleep', '20'], start_new_session=True)\n"
        "print(left.pid)"
    )
    started = time.monotonic()
    number = run(tmp_path, code)
    subprocess.run(["kill", str(number)], check=True)
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_endless_output_is_cut_off(tmp_path: Path, stream: str) -> None:
    """A course's configuration cannot fill the memory of this process, nor occupy it for long."""
    done = finish_as_account(
        "program",
        {"code": f"while True: print('x' * 1000, file=sys.{stream})"},
        tmp_path,
        None,
        seconds=60,
        output_bytes=100_000,
    )
    assert not done.complete
    assert len(done.output) <= 100_000
    assert len(done.errors) <= 100_000


def test_an_unknown_account_and_a_missing_directory(tmp_path: Path) -> None:
    """Both are named."""
    with pytest.raises(NotRun, match='there is no account "no-such-account"'):
        run_as_account("program", {}, tmp_path, "no-such-account", kind=str, seconds=1)
    with pytest.raises(NotRun, match=f"No such file or directory: {tmp_path}/missing"):
        run_as_account("program", {}, tmp_path / "missing", None, kind=str, seconds=1)
