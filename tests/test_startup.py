"""How services are started: by module or by script, wherever the Hub's working directory is."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from common import __version__
from services.startup import COMMANDS
from tests.paths import ROOT


def run(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a directory, with this project installed."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("module", COMMANDS)
def test_a_module_of_the_same_name_is_explained(module: str, tmp_path: Path) -> None:
    """A common.py beside jupyterhub_config.py hides ours; the message says what to run."""
    (tmp_path / "common.py").write_text("ours = False")
    hidden = run(tmp_path, "-m", module, "--version")
    assert hidden.returncode == 1
    assert f"Run {COMMANDS[module]}, or python -P -m {module}" in hidden.stderr
    assert str(tmp_path / "common.py") in hidden.stderr
    assert "Traceback" not in hidden.stderr


def test_without_the_working_directory(tmp_path: Path) -> None:
    """As declare and the images start services."""
    (tmp_path / "common.py").write_text("ours = False")
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").write_text("")
    found = run(tmp_path, "-P", "-m", "services.cull", "--version")
    assert (found.stdout, found.returncode) == (f"{__version__}\n", 0)


def test_every_service_has_a_script() -> None:
    """The scripts that messages name exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(project["scripts"]) == set(COMMANDS.values())
