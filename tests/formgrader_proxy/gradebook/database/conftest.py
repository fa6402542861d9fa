"""A gradebook in each kind of database."""

from pathlib import Path

import pytest

pytest.importorskip("nbgrader")
from tests.fakes.postgres import postgres, postgres_url
from tests.formgrader_proxy.gradebook.gradebooks import new_gradebook

__all__ = ["postgres", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty gradebook."""
    if request.param == "sqlite":
        found = f"sqlite:///{tmp_path / 'gradebook.db'}"
    else:
        pytest.importorskip("psycopg2")
        served: str = request.getfixturevalue("postgres_url")
        found = served.replace("postgresql:", "postgresql+psycopg2:", 1)
    new_gradebook(found).close()
    return found
