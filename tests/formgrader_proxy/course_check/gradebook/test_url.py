"""Where a gradebook is, and with which driver."""

import pytest

pytest.importorskip("nbgrader")
from services.formgrader_proxy.course_check.gradebook import url


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("sqlite:////srv/gradebook.db", "sqlite:////srv/gradebook.db"),
        ("postgresql+pg8000://db/grades", "postgresql+pg8000://db/grades"),
        ("postgresql://db/grades", "postgresql+psycopg2://db/grades"),
        ("postgres://db/grades", "postgresql+psycopg2://db/grades"),
    ],
)
def test_the_installed_driver_is_used(
    address: str, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever SQLAlchemy's default is; a driver in the URL is kept."""
    monkeypatch.setattr(url, "find_spec", lambda name: name == "psycopg2" or None)
    assert url.gradebook_url(address) == taken


def test_a_missing_driver_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install, and does not contain the password."""
    monkeypatch.setattr(url, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="pip install") as refused:
        url.gradebook_url("postgresql://me:secret@db/grades")
    assert "secret" not in str(refused.value)
