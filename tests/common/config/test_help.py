"""The texts of --help, --help-all and --generate-config."""

import subprocess
from pathlib import Path

import pytest

from tests.common.config.conftest import IdleCuller, done, hub_environment, run


def test_help_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    """--help fits on a screen, with the most important options and an example to copy."""
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) < 40
    assert "python -m services.cull --timeout=3600" in text
    assert "--timeout=NUMBER" in text
    assert "--cull-users[=true|false]" in text
    assert "--internal-certs-location" not in text


def test_help_all_shows_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """--help-all lists every option."""
    assert run("--help-all") == 0
    text = capsys.readouterr().out
    for option in (*IdleCuller.aliases, *IdleCuller.flags):
        assert f"--{option}" in text


def test_generate_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--generate-config prints a valid configuration file without secrets."""
    assert run("--generate-config") == 0
    text = capsys.readouterr().out
    assert "# Seconds of idleness.\n# c.IdleCuller.timeout = 600\n" in text
    assert "# c.IdleCuller.port = None" in text
    assert "# c.IdleCuller.request_timeout = 60" in text  # the default, not the environment's value
    assert "# c.IdleCuller.service_prefix = '/services/cull/'" in text
    assert "# c.IdleCuller.log_level = " in text
    assert "log_datefmt" not in text
    assert "s3cret" not in text
    (tmp_path / "made.py").write_text(text)
    assert run("--config=made.py") == 0


def test_help_of_a_command(program: list[str]) -> None:
    """COMMAND --help shows the command's own arguments and options."""
    ended = done(program, "explain", "--help")
    assert ended.returncode == 0
    assert "explain USER [WHEN]" in ended.stdout
    assert "--by=VALUE" in ended.stdout


def test_help_into_a_closed_pipe(program: list[str]) -> None:
    """`--generate-config | head` ends without a traceback."""
    shell = f"{program[0]} {program[1]} --generate-config | head -1"
    ended = subprocess.run(
        ["sh", "-c", shell], env=hub_environment(), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in ended.stderr
