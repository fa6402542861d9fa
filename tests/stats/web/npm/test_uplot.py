"""Installing uPlot from npm."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.paths import ROOT

NPM = ROOT / "services/stats/web/npm"


def load() -> ModuleType:
    """The script, which is in no package."""
    spec = importlib.util.spec_from_file_location("uplot", NPM / "uplot.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


uplot = load()


def fill(directory: Path) -> None:
    """Do what npm does, without the network."""
    assert (directory / "package-lock.json").is_file()
    for name in uplot.FILES:
        path = directory / "node_modules" / "uplot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")


def test_lock_file_pins_one_version_by_integrity() -> None:
    """Version and SHA-512 hash are fixed, and no private registry is named."""
    lock = json.loads((NPM / "package-lock.json").read_text("utf-8"))
    wanted = json.loads((NPM / "package.json").read_text("utf-8"))["dependencies"]
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages.keys() == {"node_modules/uplot"}
    (package,) = packages.values()
    assert package["version"] == wanted["uplot"]
    assert package["integrity"].startswith("sha512-")
    assert package.get("resolved", "https://registry.npmjs.org/").startswith(
        "https://registry.npmjs.org/"
    )


def test_files_are_installed_with_the_licence(tmp_path: Path) -> None:
    """Script, style and licence are copied, and the version is recorded."""
    target = tmp_path / "uplot"
    uplot.install_uplot(target, fill)
    assert sorted(path.name for path in target.iterdir()) == [
        "LICENSE",
        "VERSION",
        "uPlot.iife.min.js",
        "uPlot.min.css",
    ]
    assert (target / "VERSION").read_text("utf-8").startswith("uPlot 1.")
    assert uplot.installed(target)


def test_installed_version_is_kept(tmp_path: Path) -> None:
    """npm does not run again while the version matches the lock file."""
    uplot.install_uplot(tmp_path, fill)

    def fail(directory: Path) -> None:
        raise AssertionError(directory)

    uplot.install_uplot(tmp_path, fail)


@pytest.mark.parametrize("damage", ["VERSION", "LICENSE", "uPlot.min.css"])
def test_damaged_installation_is_replaced(tmp_path: Path, damage: str) -> None:
    """A missing file makes npm run again."""
    uplot.install_uplot(tmp_path, fill)
    (tmp_path / damage).unlink()
    uplot.install_uplot(tmp_path, fill)
    assert uplot.installed(tmp_path)


def test_another_version_is_replaced(tmp_path: Path) -> None:
    """After a change of the lock file, the old version is not used."""
    uplot.install_uplot(tmp_path, fill)
    (tmp_path / "VERSION").write_text("uPlot 1.0.0 sha512-x\n")
    assert not uplot.installed(tmp_path)


def test_failed_npm_leaves_no_version(tmp_path: Path) -> None:
    """An installation that failed does not count as installed."""

    def fail(_directory: Path) -> None:
        raise SystemExit("npm could not install uPlot; its message is above.")

    with pytest.raises(SystemExit, match="npm could not install"):
        uplot.install_uplot(tmp_path / "uplot", fail)
    assert not uplot.installed(tmp_path / "uplot")


def test_checkout_has_the_real_uplot() -> None:
    """`make setup` installed the version in the lock file."""
    if not uplot.installed():
        pytest.skip("uPlot is not installed: run `make setup`")
    script = (uplot.TARGET / "uPlot.iife.min.js").read_text("utf-8")
    assert script.startswith("/*! https://github.com/leeoniya/uPlot")
    assert "MIT License" in (uplot.TARGET / "LICENSE").read_text("utf-8")
