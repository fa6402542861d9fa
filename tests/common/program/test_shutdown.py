"""Signals, time limits and exit codes."""

import signal
import subprocess
import time

import pytest

from tests.common.config.conftest import done, hub_environment


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_well(program: list[str], which: signal.Signals) -> None:
    """After SIGTERM or SIGINT main() can finish, and the exit code is 0."""
    with subprocess.Popen(
        program, env=hub_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(which)
        assert process.stdout.readline() == "closed\n"
        assert process.wait(10) == 0
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("mode", ["hang", "stubborn", "busy"])
def test_signal_ends_what_hangs(program: list[str], mode: str) -> None:
    """A main() that does not finish, or blocks the loop, is abandoned; the exit code is 0."""
    with subprocess.Popen(
        [*program, "quick", f"--mode={mode}"],
        env=hub_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - began < 5


def test_limits_leave_less_than_ten_seconds() -> None:
    """All time limits together are shorter than the promised 10 s."""
    from common.program.shutdown import CANCEL_SECONDS, FINISH_SECONDS

    assert FINISH_SECONDS + CANCEL_SECONDS + 0.5 < 10


def test_second_signal_is_impatient(program: list[str]) -> None:
    """A second Ctrl-C cancels main() at once."""
    with subprocess.Popen(
        [*program, "--mode=hang"],
        env=hub_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert "stopping" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    ("mode", "code", "parts", "traceback"),
    [
        ("return", 1, [], False),
        ("hub", 1, ["no answer (GET http://x/y)"], False),
        ("port", 1, ["Address already in use"], False),
        ("config", 1, ["made: one thing\n", "made: another thing\n"], False),
        ("fail", 1, ["internal error; the service has stopped", "RuntimeError: a bug"], True),
    ],
)
def test_ends_of_main(
    program: list[str], mode: str, code: int, parts: list[str], traceback: bool
) -> None:
    """Errors that a user can fix are one line; only a bug prints a traceback."""
    ended = done(program, f"--mode={mode}")
    assert ended.returncode == code
    assert all(part in ended.stderr for part in parts)
    assert ("Traceback" in ended.stderr) is traceback
