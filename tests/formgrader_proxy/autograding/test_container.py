"""The settings of a formgrader in a container, from its environment."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.sandbox.settings import Mechanism
from tests.paths import ROOT

START = ROOT / "docker" / "images" / "formgrader" / "start.py"


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> AutogradingSettings:
    """What the image's entry point reads from these variables."""
    for name in ("SANDBOX", "SANDBOX_NETWORK", "SANDBOX_LIMITS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    module: dict[str, Any] = runpy.run_path(str(START), run_name="start")
    found: AutogradingSettings = module["autograding"]()
    return found


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is as good as none, as Compose passes it."""
    assert settings(monkeypatch) == AutogradingSettings()
    empty = dict.fromkeys(("SANDBOX", "SANDBOX_NETWORK", "SANDBOX_LIMITS"), "")
    assert settings(monkeypatch, **empty) == AutogradingSettings()


def test_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the keys of a course."""
    found = settings(
        monkeypatch, SANDBOX="landlock", SANDBOX_NETWORK="True", SANDBOX_LIMITS='{"seconds": 60}'
    )
    assert found.sandbox.mechanism is Mechanism.LANDLOCK
    assert (found.sandbox.network, found.seconds) == (True, 60)


def test_all_problems_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of each variable."""
    with pytest.raises(SystemExit) as exit_:
        settings(monkeypatch, SANDBOX="x", SANDBOX_NETWORK="perhaps", SANDBOX_LIMITS='{"disk": 1}')
    lines = str(exit_.value.code).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == [
        "SANDBOX",
        "SANDBOX_LIMITS",
        "SANDBOX_NETWORK",
    ]


def test_limits_that_are_no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message shows an example."""
    with pytest.raises(SystemExit, match="memory_mb"):
        settings(monkeypatch, SANDBOX_LIMITS="memory_mb=5")


@pytest.mark.parametrize(
    ("name", "value"), [("COURSE_UID", "course"), ("COURSE_UID", "-1"), ("PORT", "80000")]
)
def test_a_wrong_number_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    """One sentence instead of a traceback, before anything is changed."""
    (tmp_path / "grading_token").write_text("token")
    given = {"COURSE_ID": "c", "BASE_URL": "/c/", "SECRETS": tmp_path, "COURSE": tmp_path}
    for variable, text in (given | {name: value}).items():
        monkeypatch.setenv(variable, str(text))
    module: dict[str, Any] = runpy.run_path(str(START), run_name="start")
    with pytest.raises(SystemExit, match=f"^{name}: use a whole number from 0 to "):
        module["main"]()


def test_a_missing_folder_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The volume of the course is not mounted."""
    (tmp_path / "grading_token").write_text("token")
    missing = tmp_path / "missing"
    given = {"COURSE_ID": "c", "BASE_URL": "/c/", "SECRETS": tmp_path, "COURSE": missing}
    for variable, text in given.items():
        monkeypatch.setenv(variable, str(text))
    module: dict[str, Any] = runpy.run_path(str(START), run_name="start")
    with pytest.raises(SystemExit, match=f"{missing} is not a folder"):
        module["main"]()
