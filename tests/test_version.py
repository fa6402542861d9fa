"""The version is stated once, in ``common/__init__.py``; everything else agrees with it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from common import __version__
from tests.paths import ROOT

#: A default version in a Docker file, which cannot read it from Python.
DEFAULT = re.compile(
    r"VERSION[=:]-?\"?(\d+\.\d+\.\d+)|classroom-[a-z{},]+:(?:\$\{VERSION:-)?(\d+\.\d+\.\d+)"
    r"|classroom_version: \"(\d+\.\d+\.\d+)\""
)


def test_the_package_takes_its_version_from_common() -> None:
    """``pyproject.toml`` reads the version and does not repeat it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "common.__version__"}


@pytest.mark.parametrize("service", ["cull", "stats", "formgrader_proxy"])
def test_version_from_a_checkout(service: str) -> None:
    """``--version`` works without an installation."""
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{__version__}\n"


def test_docker_defaults_agree() -> None:
    """Image tags and build arguments default to the current version."""
    found: dict[Path, set[str]] = {}
    for file in sorted((ROOT / "docker").rglob("*")):
        if file.is_file() and file.suffix in {".yaml", ".yml", ".example", ""}:
            text = file.read_text("utf-8", errors="replace")
            versions = {"".join(groups) for groups in DEFAULT.findall(text)}
            if versions:
                found[file.relative_to(ROOT)] = versions
    assert len(found) >= 10
    assert {file: versions for file, versions in found.items() if versions != {__version__}} == {}
