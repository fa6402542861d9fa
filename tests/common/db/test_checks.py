"""What this machine lacks for a database."""

from pathlib import Path

import pytest

from common.db import checks
from common.db.checks import database_problems


def test_a_usable_database_has_no_problems(tmp_path: Path) -> None:
    """A file that can be created, a database in memory, and PostgreSQL with its driver."""
    assert database_problems(f"sqlite:///{tmp_path / 'new.sqlite'}") == []
    assert database_problems("sqlite:///relative.sqlite") == []
    assert database_problems("sqlite://") == []
    assert database_problems("postgresql://h/d") == []


def test_a_missing_directory_may_be_there_later(tmp_path: Path) -> None:
    """It may be mounted later: a service waits for its database instead of exiting."""
    assert database_problems(f"sqlite:///{tmp_path}/absent/x.sqlite") == []


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    """The URL must name a file, not the directory that it is in."""
    (problem,) = database_problems(f"sqlite:///{tmp_path}")
    assert "is a directory" in problem


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without asyncpg, PostgreSQL cannot be used; the message has the command to install it."""
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    (problem,) = database_problems("postgresql://h/d")
    assert "pip install 'jupyterhub-classroom[postgresql]'" in problem
    assert database_problems("sqlite://") == []


def test_mistakes_in_the_url_are_problems() -> None:
    """A URL that cannot be parsed is reported like everything else."""
    (problem,) = database_problems("postgresql://h:notaport/db", option="--database")
    assert problem.startswith("--database: the port is not a number")
