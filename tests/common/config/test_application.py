"""The settings that all services share."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.common.config.conftest import IdleCuller, problems, run


def test_token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token can be read from a file, without the line break at its end."""
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
    (tmp_path / "token").write_text("abcdefgh\n")
    assert run("--token-file=token") == 0
    assert IdleCuller.seen["app"].token == "abcdefgh"


def test_all_mistakes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mistakes in options, file and environment are reported together, with what to write."""
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
    monkeypatch.setenv("JUPYTERHUB_REQUEST_TIMEOUT", "soon")
    (tmp_path / "c.py").write_text("c.IdleCuller.timout = 7\nc.IdleCuller.names = 7\n")
    output = problems(
        capsys,
        "--config=c.py",
        "--timeuot=3",
        "--timeout=soon",
        "--port=99999",
        "--cull-users=maybe",
        "--url=ftp://x",
        "nonsense",
    )
    for part in (
        "--timeuot; did you mean --timeout?",
        "--timeout: must be a whole number, not 'soon'",
        "--port: must be a number from 0 to 65535, not '99999'",
        "--cull-users: must be true or false, not 'maybe'",
        "Unknown setting IdleCuller.timout; did you mean timeout?",
        "IdleCuller.names: must be a list",
        "--url: not the URL of a Hub API",
        "set JUPYTERHUB_API_TOKEN",
        "JUPYTERHUB_REQUEST_TIMEOUT must be a whole number",
        "Unknown command nonsense",
    ):
        assert part in output
    assert len(output.splitlines()) == 10
    assert all(line.startswith("cull: ") for line in output.splitlines())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints only the version."""
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == IdleCuller.version


def test_import_is_cheap() -> None:
    """The module imports no JupyterHub, aiohttp.web, Jinja or SQLAlchemy."""
    code = (
        "import sys, common.config.application; "
        "print([m for m in ('jupyterhub', 'aiohttp.web', 'jinja2', 'sqlalchemy', 'tornado',"
        " 'prometheus_client') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
