"""Installing the pages' scripts from npm."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.paths import ROOT

NPM = ROOT / "services/npm"


def load() -> ModuleType:
    """The script, which is in no package."""
    spec = importlib.util.spec_from_file_location("npm_packages", NPM / "npm_packages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


npm_packages = load()
CONTENTS = {
    "uplot": ["dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE", "README.md"],
    "mathjax": [
        *("es5/tex-chtml-full.js", "es5/tex-svg.js", "es5/ui/safe.js", "es5/ui/menu.js"),
        *(f"es5/output/chtml/fonts/woff-v2/MathJax_{number}.woff" for number in range(23)),
        "LICENSE",
    ],
}


def fill(directory: Path) -> None:
    """Do what npm does, without the network."""
    assert (directory / "package-lock.json").is_file()
    for package, files in CONTENTS.items():
        for name in files:
            path = directory / "node_modules" / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"content of {name}")


def fail(_directory: Path) -> None:
    raise SystemExit("npm could not install the scripts of the pages; its message is above.")


@pytest.fixture
def packages(tmp_path: Path) -> tuple[Any, ...]:
    """Both packages, to be installed in a temporary folder."""
    return tuple(
        replace(package, target=tmp_path / package.name) for package in npm_packages.PACKAGES
    )


def test_lock_file_pins_each_package_by_integrity() -> None:
    """Version and SHA-512 hash are fixed, and no private registry is named."""
    lock = json.loads((NPM / "package-lock.json").read_text("utf-8"))
    wanted = json.loads((NPM / "package.json").read_text("utf-8"))["dependencies"]
    locked = {name: package for name, package in lock["packages"].items() if name}
    assert locked.keys() == {f"node_modules/{package.name}" for package in npm_packages.PACKAGES}
    for name, package in locked.items():
        assert package["version"] == wanted[name.removeprefix("node_modules/")]
        assert package["integrity"].startswith("sha512-")
        assert package.get("resolved", "https://registry.npmjs.org/").startswith(
            "https://registry.npmjs.org/"
        )


def test_files_are_installed_with_the_licence(packages: tuple[Any, ...]) -> None:
    """Only those that the pages load, and the version is recorded."""
    npm_packages.install_packages(packages, fill)
    uplot, mathjax = packages
    assert sorted(path.name for path in uplot.target.iterdir()) == [
        *("LICENSE", "VERSION", "uPlot.iife.min.js", "uPlot.min.css")
    ]
    assert sorted(path.name for path in mathjax.target.iterdir()) == [
        *("LICENSE", "VERSION", "fonts", "tex-chtml-full.js", "ui")
    ]
    assert [path.name for path in (mathjax.target / "ui").iterdir()] == ["safe.js"]
    assert (uplot.target / "VERSION").read_text("utf-8").startswith("uPlot 1.")
    assert npm_packages.all_installed(packages)


def test_installed_versions_are_kept(packages: tuple[Any, ...]) -> None:
    """npm does not run again while the versions match the lock file."""
    npm_packages.install_packages(packages, fill)
    npm_packages.install_packages(packages, fail)


@pytest.mark.parametrize(
    "damage",
    ["uplot/VERSION", "uplot/LICENSE", "mathjax/ui/safe.js", "mathjax/fonts/MathJax_7.woff"],
)
def test_damaged_installation_is_replaced(
    packages: tuple[Any, ...], tmp_path: Path, damage: str
) -> None:
    """A missing file makes npm run again."""
    npm_packages.install_packages(packages, fill)
    (tmp_path / damage).unlink()
    assert not npm_packages.all_installed(packages)
    npm_packages.install_packages(packages, fill)
    assert npm_packages.all_installed(packages)


def test_another_version_is_replaced(packages: tuple[Any, ...], tmp_path: Path) -> None:
    """After a change of the lock file, neither the old version nor its files are used."""
    npm_packages.install_packages(packages, fill)
    (tmp_path / "uplot/VERSION").write_text("uPlot 1.0.0 sha512-x\n")
    (tmp_path / "uplot/old.js").write_text("old")
    assert not npm_packages.all_installed(packages)
    npm_packages.install_packages(packages, fill)
    assert not (tmp_path / "uplot/old.js").exists()


def test_failed_npm_leaves_no_version(packages: tuple[Any, ...]) -> None:
    """An installation that failed does not count as installed."""
    with pytest.raises(SystemExit, match="npm could not install"):
        npm_packages.install_packages(packages, fail)
    assert not npm_packages.all_installed(packages)


def test_a_package_without_an_expected_file_is_refused(packages: tuple[Any, ...]) -> None:
    """A new version that renames files does not leave half of them missing."""

    def incomplete(directory: Path) -> None:
        fill(directory)
        (directory / "node_modules/mathjax/es5/ui/safe.js").unlink()

    with pytest.raises(SystemExit, match="MathJax has other files"):
        npm_packages.install_packages(packages, incomplete)
    assert not npm_packages.all_installed(packages)


@pytest.mark.parametrize(
    ("package", "file", "part", "licence"),
    [
        (npm_packages.UPLOT, "uPlot.iife.min.js", "/*! https://github.com/leeoniya/uPlot", "MIT"),
        (npm_packages.MATHJAX, "tex-chtml-full.js", "output/chtml/fonts", "Apache License"),
    ],
    ids=["uPlot", "MathJax"],
)
def test_checkout_has_the_real_scripts(package: Any, file: str, part: str, licence: str) -> None:
    """`make setup` installed the versions in the lock file."""
    if not package.installed():
        pytest.skip(f"{package.title} is not installed: run `make setup`")
    assert part in (package.target / file).read_text("utf-8")
    assert licence in (package.target / "LICENSE").read_text("utf-8")
