"""From the command line to an exit code: commands and invalid settings."""

from pathlib import Path

import pytest

from tests.common.config.conftest import TOKEN, done


def test_log_format_json(program: list[str]) -> None:
    """--log-format=json applies to every log line."""
    ended = done(program, "--mode=hub", "--log-format=json")
    assert '"level": "error"' in ended.stderr.splitlines()[-1]


def test_wrong_settings_before_anything_runs(program: list[str]) -> None:
    """With an invalid setting nothing is started; the exit code is 1, without a traceback."""
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
    """A command gets its arguments and the service's settings, and returns the exit code."""
    ended = done(program, *argv)
    assert (ended.returncode, ended.stdout) == (3, "check ['FILE'] {} fast\n")


def test_command_without_the_hub(program: list[str]) -> None:
    """Only a command that needs the Hub requires the token and URL."""
    nothing = {"JUPYTERHUB_API_URL": "", "JUPYTERHUB_API_TOKEN": ""}
    assert done(program, "check", "FILE", **nothing).returncode == 3
    ended = done(program, "explain", "ada", **nothing)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 2


def test_a_coroutine_as_a_command(program: list[str]) -> None:
    """A command can be a coroutine, with its own options and switches."""
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
    """A command with a wrong name or number of arguments is reported with its usage."""
    ended = done(program, *argv)
    assert ended.returncode == 1
    assert part in ended.stderr
    assert len(ended.stderr.splitlines()) == 1, "no setting of the service is reported as missing"


def test_interrupted_before_it_runs(program: list[str], tmp_path: Path) -> None:
    """Ctrl-C while the configuration file is read ends the program without a traceback."""
    (tmp_path / "c.py").write_text("raise KeyboardInterrupt\n")
    ended = done(program, f"--config={tmp_path / 'c.py'}")
    assert (ended.returncode, ended.stderr) == (130, "")
