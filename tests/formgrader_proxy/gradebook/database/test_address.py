"""The address of a course's gradebook."""

import pytest

from services.formgrader_proxy.gradebook.database import address


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("sqlite:////srv/gradebook.db", "sqlite:////srv/gradebook.db"),
        ("postgresql+pg8000://db/grades", "postgresql+pg8000://db/grades"),
        ("postgresql://db/grades", "postgresql+psycopg2://db/grades"),
        ("postgres://db/grades", "postgresql+psycopg2://db/grades"),
    ],
)
def test_the_installed_driver_is_used(
    url: str, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever SQLAlchemy's default is; a driver in the URL is kept."""
    monkeypatch.setattr(address, "find_spec", lambda name: name == "psycopg2" or None)
    assert address.gradebook_url(url) == taken


def test_a_missing_driver_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install, and does not contain the password."""
    monkeypatch.setattr(address, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="pip install") as refused:
        address.gradebook_url("postgresql://me:secret@db/grades")
    assert "secret" not in str(refused.value)
