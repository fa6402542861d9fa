"""All services accept the same database URLs, and refuse the same ones in the same words."""

from pathlib import Path

import pytest

from common.config.application import ServiceApp
from common.program import launch
from services.cull.app import IdleCuller
from services.formgrader_proxy.app import FormgraderProxy
from services.stats.app import StatsApp

SERVICES = [IdleCuller, StatsApp, FormgraderProxy]


def complaints(app: type[ServiceApp], db_url: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the service says about the URL before it exits with 1 (the Hub's URL is missing)."""
    assert launch.run(app, [f"--db-url={db_url}", "--port=1"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return [line for line in err.splitlines() if "--db-url" in line]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Hub in the environment, and relative files in a temporary directory."""
    for name in ("JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_SERVICE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("app", SERVICES)
@pytest.mark.parametrize(
    "db_url",
    [
        "sqlite:///x.sqlite",
        "SQLITE:///x.sqlite",
        "POSTGRESQL://h/d",
        "postgres://u:p@h:5432/d?sslmode=require",
    ],
)
def test_accepted(app: type[ServiceApp], db_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The scheme may be written in any case, and PostgreSQL's may be shortened."""
    assert complaints(app, db_url, capsys) == []


@pytest.mark.parametrize("app", SERVICES)
@pytest.mark.parametrize(
    ("db_url", "words"),
    [
        ("postgresql://h:notaport/db", ["the port is not a number"]),
        ("postgresql://u:s3cret@h:x?color=red", ["the port", "database name", "'color'"]),
        ("mysql://u:s3cret@h/d", ["'mysql' is not supported"]),
        ("", ["not a database URL"]),
    ],
)
def test_refused(
    app: type[ServiceApp], db_url: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with all mistakes, without a traceback and without the password."""
    (line,) = complaints(app, db_url, capsys)
    assert all(word in line for word in words), line
    assert "s3cret" not in line
    assert "[secret]" not in line
