"""Which module may import which, as the design draws it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("cull", "stats", "formgrader_proxy")
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for top in ("common", "services")
    for path in (ROOT / top).rglob("*.py")
)


def imports(source: str) -> Iterator[str]:
    """The modules that a file names in its import statements, wherever these stand."""
    for node in ast.walk(ast.parse((ROOT / source).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: write imports in full"
            assert node.module is not None
            yield node.module
            # `from services.cull import holds` names a module as well.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reaches(source: str, package: str) -> list[str]:
    """The imports of a file that are the package or lie in it."""
    return [name for name in imports(source) if f"{name}.".startswith(f"{package}.")]


@pytest.mark.parametrize("source", [each for each in SOURCES if each.startswith("common/")])
def test_common_knows_no_service(source: str) -> None:
    """What is shared imports nothing of a service."""
    assert reaches(source, "services") == []


@pytest.mark.parametrize("service", SERVICES)
def test_services_know_only_themselves(service: str) -> None:
    """A service imports the shared code and itself, never another one or the declaration."""
    for source in SOURCES:
        if source.startswith(f"services/{service}/"):
            own = set(reaches(source, f"services.{service}"))
            assert set(reaches(source, "services")) <= own | {"services"}, source


def test_only_the_applications_know_traitlets() -> None:
    """Settings become plain values in app.py; nothing beyond it knows where they came from."""
    allowed = {"app.py", "config.py", "config_sources.py", "launch.py", "formgrader_server.py"}
    assert [
        source
        for source in SOURCES
        if reaches(source, "traitlets") and Path(source).name not in allowed
    ] == []


# What decides, and so may neither wait nor look anything up.
PURE = [
    "services/cull/access.py",
    "services/cull/explain.py",
    "services/cull/policy.py",
    "services/stats/intervals.py",
    "services/stats/sampler.py",
    "services/stats/summary.py",
    "services/formgrader_proxy/access.py",
    "services/formgrader_proxy/courses.py",
    "services/formgrader_proxy/headers.py",
    "services/formgrader_proxy/paths.py",
]


@pytest.mark.parametrize("source", [each for each in PURE if each in SOURCES])
def test_decisions_are_pure(source: str) -> None:
    """A module that decides contains no await and imports nothing that could act."""
    for package in ("aiohttp", "asyncio", "logging", "os", "sqlalchemy", "time", "tornado"):
        assert reaches(source, package) == [], package
    for package in ("http", "hub", "proxy", "oauth", "web", "metrics", "ticker", "config"):
        assert reaches(source, f"common.{package}") == [], package
    tree = ast.parse((ROOT / source).read_text("utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Await)]


HEAVY = ("jupyterhub", "sqlalchemy", "jinja2", "aiohttp.web")


@pytest.mark.parametrize(
    "module",
    ["common.models", "common.hub", "common.proxy", "common.config", "services.declare"]
    + ["services.cull.app"] * ("services/cull/app.py" in SOURCES),
)
def test_what_must_start_fast_imports_nothing_heavy(module: str) -> None:
    """The clients, the settings and one pass of the culler bring in no web server or database."""
    words = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
