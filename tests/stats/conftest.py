"""Fixtures for the tests of the command line."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from common.program import launch
from services.stats.app import StatsApp

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def no_hub_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No JUPYTERHUB_* variable, and an empty working directory."""
    for name in list(os.environ):
        if name.startswith("JUPYTERHUB_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(no_hub_environment: None, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs the program on a database file; returns exit code, standard output and error."""

    def run(*argv: str) -> tuple[int, str, str]:
        code = launch.run(StatsApp, [*argv, f"--db-url=sqlite:///{tmp_path / 'stats.sqlite'}"])
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a month of demo data. Copy it before use."""
    path = tmp_path_factory.mktemp("demo") / "stats.sqlite"
    assert launch.run(StatsApp, ["demo-data", "--days=30", f"--db-url=sqlite:///{path}"]) == 0
    return path


@pytest.fixture
def demo(run: Run, demo_database: Path, tmp_path: Path) -> Run:
    """The program with a month of demo data in its database."""
    shutil.copy(demo_database, tmp_path / "stats.sqlite")
    return run
