"""A gradebook in each kind of database."""

from pathlib import Path

import pytest

pytest.importorskip("nbgrader")
from tests.fakes.postgres import postgres, postgres_url
from tests.formgrader_proxy.gradebook.gradebooks import address_of, new_gradebook

__all__ = ["postgres", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty gradebook."""
    found = address_of(request, tmp_path)
    new_gradebook(found).close()
    return found
