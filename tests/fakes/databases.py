"""An empty database of each kind, for the tests that must pass on both.

Take the fixtures into a test file with
``from tests.fakes.databases import db_url, postgres, postgres_url``.
"""

from pathlib import Path

import pytest

from tests.fakes.postgres import postgres, postgres_url

__all__ = ["db_url", "postgres", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, as an administrator would write it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'classroom.sqlite'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
