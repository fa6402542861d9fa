"""The passwords of instructors and graders if students share a password."""

import sys
from pathlib import Path

import pytest
from traitlets.config import Config

from classroom_hub import staff_password
from classroom_hub.sign_in import SignIn, configure_sign_in
from classroom_hub.staff_password import StaffPasswordAuthenticator, own_password

ADMIN = "a" * 32
SHARED = "for trying it"


def authenticator(admin_password: str | None = ADMIN) -> StaffPasswordAuthenticator:
    """An authenticator with the admin "head" and the grader "gail"."""
    made = StaffPasswordAuthenticator(user_password=SHARED, admin_password=admin_password)
    made.admin_users = {"head"}
    made.staff_users = {"head", "gail"}
    return made


@pytest.mark.attack("account-shared-password")
@pytest.mark.parametrize(
    ("name", "password", "accepted"),
    [
        ("ada", SHARED, True),
        ("ada", ADMIN, False),
        ("gail", SHARED, False),
        ("GAIL", SHARED, False),
        ("gail", own_password(ADMIN, "gail"), True),
        ("GAIL", own_password(ADMIN, "gail"), True),
        ("gail", ADMIN, True),
        ("gail", own_password(ADMIN, "other"), False),
        ("gail", "", False),
        ("gail", "pässword", False),
        ("ada", "pässword", False),
        ("head", ADMIN, True),
        ("head", SHARED, False),
        ("head", own_password(ADMIN, "head"), False),
    ],
)
async def test_each_password_signs_in_only_its_users(
    name: str, password: str, accepted: bool
) -> None:
    """Nobody is an admin because of the password of an instructor or grader."""
    found = await authenticator().authenticate(None, {"username": name, "password": password})
    assert (found is not None) == accepted
    if found:
        assert found["name"] == name.lower()
        assert found["admin"] == (name == "head")


@pytest.mark.attack("account-shared-password")
@pytest.mark.parametrize("password", [SHARED, "", "None"])
async def test_without_an_admin_password_staff_cannot_sign_in(password: str) -> None:
    """It fails closed."""
    found = authenticator(None)
    assert await found.authenticate(None, {"username": "gail", "password": password}) is None


@pytest.mark.parametrize(
    "name", ["shared-password", "jupyterhub.authenticators.shared.SharedPasswordAuthenticator"]
)
def test_the_rule_applies_under_each_name_of_the_authenticator(tmp_path: Path, name: str) -> None:
    """As a registered name and as a class."""
    roster = tmp_path / "roster.toml"
    roster.write_text('admins = ["head"]\n')
    c = Config()
    secrets = {"user_password": SHARED, "admin_password": ADMIN}
    configure_sign_in(c, SignIn(name, roster, "https://hub.test", secrets))
    assert issubclass(c.JupyterHub.authenticator_class, StaffPasswordAuthenticator)


def test_passwords_can_be_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each name, as the Hub normalizes it."""
    (tmp_path / "admin_password").write_text(ADMIN + "\n")
    monkeypatch.setattr(staff_password, "ADMIN_PASSWORD", tmp_path / "admin_password")
    monkeypatch.setattr(sys, "argv", ["staff_password", "Gail", "gus"])
    staff_password.main()
    assert capsys.readouterr().out.splitlines() == [
        f"Gail {own_password(ADMIN, 'gail')}",
        f"gus {own_password(ADMIN, 'gus')}",
    ]
    monkeypatch.setattr(staff_password, "ADMIN_PASSWORD", tmp_path / "missing")
    with pytest.raises(SystemExit, match="Run this in the hub's container"):
        staff_password.main()
