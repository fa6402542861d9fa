"""From the command line to an exit code: commands, signals, faults."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, sys
from traitlets import Unicode
from common.config.application import ServiceApp
from common.config.launch import launch
from common.errors import ConfigError, HubUnavailable
from common.config.command import Command

class Made(ServiceApp):
    name = "made"
    description = "Made up for a test."
    mode = Unicode("wait").tag(config=True)
    aliases = {**ServiceApp.aliases, "mode": "Made.mode"}
    commands = {
        "check": Command("Check a file.", "check", ("FILE",)),
        "explain": Command(
            "Explain.", "explain", ("USER", "WHEN?"), {"by": "How."}, {"all": "All."}, True
        ),
    }

    def check(self, words, given):
        print("check", words, given, self.mode)
        return 3

    async def explain(self, words, given):
        print("explain", words, given)
        return 0

    async def main(self):
        print("ready", flush=True)
        if self.mode == "fail":
            raise RuntimeError("a bug")
        if self.mode == "hub":
            raise HubUnavailable("no answer", method="GET", url="http://x/y?z=1")
        if self.mode == "config":
            raise ConfigError(["one thing", "another thing"])
        if self.mode == "port":
            raise OSError(98, "Address already in use")
        if self.mode == "return":
            return 1
        if self.mode == "hang":
            await asyncio.Event().wait()
        if self.mode == "stubborn":
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass
        await self.stopping.wait()
        print("closed", flush=True)
        return 0

if len(sys.argv) > 1 and sys.argv[1] == "quick":
    import common.config.shutdown
    common.config.shutdown.FINISH_SECONDS = 0.2
    common.config.shutdown.CANCEL_SECONDS = 0.2
    sys.argv.pop(1)
launch(Made)
"""
TOKEN = "s3cret-token-of-ours"


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    path = tmp_path / "made.py"
    path.write_text(PROGRAM)
    return [sys.executable, str(path)]


def environment(**more: str) -> dict[str, str]:
    """An environment with a Hub in it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTERHUB_")}
    return clean | {
        "JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api",
        "JUPYTERHUB_API_TOKEN": TOKEN,
        **more,
    }


def done(program: list[str], *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [*program, *argv],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_well(program: list[str], which: signal.Signals) -> None:
    """After SIGTERM or SIGINT main() finishes by itself and the exit code is 0."""
    with subprocess.Popen(
        program, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(which)
        assert process.stdout.readline() == "closed\n"
        assert process.wait(10) == 0
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("mode", ["hang", "stubborn"])
def test_signal_ends_what_hangs(program: list[str], mode: str) -> None:
    """What does not watch for the end is cancelled, what resists is left; the code is 0."""
    with subprocess.Popen(
        [*program, "quick", f"--mode={mode}"],
        env=environment(),
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
    """All the patience together is less than the promised 10 s."""
    from common.config.shutdown import CANCEL_SECONDS, FINISH_SECONDS

    assert FINISH_SECONDS + CANCEL_SECONDS + 0.5 < 10


def test_second_signal_is_impatient(program: list[str]) -> None:
    """A second Ctrl-C does not wait for main() to finish."""
    with subprocess.Popen(
        [*program, "--mode=hang"],
        env=environment(),
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
    """Errors that a person can mend are one line; only a bug shows its traceback."""
    ended = done(program, f"--mode={mode}")
    assert ended.returncode == code
    assert all(part in ended.stderr for part in parts)
    assert ("Traceback" in ended.stderr) is traceback


def test_log_format_json(program: list[str]) -> None:
    """--log-format=json holds for the whole program."""
    ended = done(program, "--mode=hub", "--log-format=json")
    assert '"level": "error"' in ended.stderr.splitlines()[-1]


def test_wrong_settings_before_anything_runs(program: list[str]) -> None:
    """With a wrong setting nothing is started; the code is 1, without a traceback."""
    ended = done(program, "--port=x", "--mod=y", JUPYTERHUB_API_URL="")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 3
    assert "Traceback" not in ended.stderr
    assert TOKEN not in ended.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ["check", "FILE", "--mode", "fast"],
        ["--mode", "fast", "check", "FILE"],
        ["check", "--mode=fast", "FILE"],
    ],
)
def test_command(program: list[str], argv: list[str]) -> None:
    """A command gets its words and the service's settings, and gives the exit code."""
    ended = done(program, *argv)
    assert (ended.returncode, ended.stdout) == (3, "check ['FILE'] {} fast\n")


def test_command_without_the_hub(program: list[str]) -> None:
    """A command that does not ask the Hub runs without token and URL; another does not."""
    nothing = {"JUPYTERHUB_API_URL": "", "JUPYTERHUB_API_TOKEN": ""}
    assert done(program, "check", "FILE", **nothing).returncode == 3
    ended = done(program, "explain", "ada", **nothing)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 2


def test_command_of_its_own_loop(program: list[str]) -> None:
    """A command may be a coroutine, with options and switches of its own."""
    ended = done(program, "explain", "ada", "--by=week", "--all")
    assert ended.stdout == "explain ['ada'] {'by': 'week', 'all': ''}\n"
    ended = done(program, "explain", "ada", "now")
    assert ended.stdout == "explain ['ada', 'now'] {}\n"


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["check"], "Write check FILE."),
        (["check", "a", "b"], "Write check FILE."),
        (["explain"], "Write explain USER [WHEN]."),
        (["chekc", "FILE"], "Unknown command chekc; did you mean check?"),
        (["check", "FILE", "--by=x"], "Unknown option --by"),
        (["explain", "ada", "--by"], "--by needs a value"),
    ],
)
def test_wrong_command(program: list[str], argv: list[str], part: str) -> None:
    """A command with missing or too many words, or misspelt, is told how it is written."""
    ended = done(program, *argv)
    assert ended.returncode == 1
    assert part in ended.stderr


def test_help_of_a_command(program: list[str]) -> None:
    """COMMAND --help tells the command's own words and options."""
    ended = done(program, "explain", "--help")
    assert ended.returncode == 0
    assert "explain USER [WHEN]" in ended.stdout
    assert "--by=VALUE" in ended.stdout


def test_help_into_a_closed_pipe(program: list[str]) -> None:
    """`--generate-config | head` ends without a traceback."""
    shell = f"{program[0]} {program[1]} --generate-config | head -1"
    ended = subprocess.run(
        ["sh", "-c", shell], env=environment(), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in ended.stderr
