"""What check-courses says about a course's sandbox."""

import sys
from pathlib import Path

from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.commands.isolation import isolation
from services.formgrader_proxy.sandbox.mechanisms import available


def test_the_mechanism_of_a_course(tmp_path: Path) -> None:
    """Also with spaces and other characters in the path of its directory."""
    folder = tmp_path / "Übung 1"
    folder.mkdir()
    said = isolation(folder, None, AutogradingSettings())
    best = available().best
    assert said == best or (best is None and said.startswith("autograding is refused. "))


def test_a_course_inside_the_software_is_reported() -> None:
    """Otherwise only autograding would say so."""
    said = isolation(Path(sys.base_prefix, "lib"), None, AutogradingSettings())
    assert said.startswith("autograding is refused. ")
    assert said.endswith("Move the course to another directory.") or available().best is None


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    """No traceback."""
    said = isolation(tmp_path / "missing", None, AutogradingSettings())
    assert said == (
        f"unknown, because it could not be tried: No such file or directory: {tmp_path}/missing"
    )
