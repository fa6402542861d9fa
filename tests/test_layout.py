"""The lines that the design draws: who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("cull", "stats", "formgrader_proxy")

# Who may know the configuration library: what is started from a command line.
TRAITLETS = {
    "common/config.py",
    "common/config_address.py",
    "common/config_sources.py",
    *(f"services/{name}/app.py" for name in SERVICES),
    "services/formgrader_proxy/formgrader_server.py",  # a jupyter server's own application
}
# Who may know the database: engines, tables and queries, and the app.py beside them.
DATABASE = {
    "common/database.py",
    "services/cull/app.py",
    "services/cull/database.py",
    "services/cull/holds.py",
    "services/cull/tables.py",
    "services/formgrader_proxy/app.py",
    "services/formgrader_proxy/audit.py",
    "services/stats/app.py",
    *(
        f"services/stats/{name}.py"
        for name in (
            *("current", "export", "lead", "people", "queries", "question", "raw"),
            *("recorder", "rolled", "rows", "schema", "store", "tables"),
        )
    ),
}
# Decisions: no waiting, no logging, no clock, no network in them.
PURE = (
    "common/flags.py",
    "common/models.py",
    "common/openapi.py",
    "common/xsrf.py",
    "services/cull/decide.py",
    "services/cull/durations.py",
    "services/cull/describe.py",
    "services/cull/explain.py",
    "services/cull/extending.py",
    "services/cull/forecast.py",
    "services/cull/policy.py",
    "services/cull/remarks.py",
    "services/cull/rules.py",
    "services/cull/terminal.py",
    "services/cull/window_tables.py",
    "services/cull/windows.py",
    "services/formgrader_proxy/access.py",
    "services/formgrader_proxy/headers.py",
    "services/formgrader_proxy/paths.py",
    "services/stats/access.py",
    "services/stats/api_query.py",
    "services/stats/api_views.py",
    "services/stats/figures.py",
    "services/stats/identity.py",
    "services/stats/intervals.py",
    "services/stats/lanes.py",
    "services/stats/openapi.py",
    "services/stats/people_list.py",
    "services/stats/period.py",
    "services/stats/reports.py",
    "services/stats/rollup.py",
    "services/stats/sampler.py",
    "services/stats/state.py",
    "services/stats/summary.py",
)
EFFECTS = {
    *("aiohttp", "asyncio", "jinja2", "jupyterhub", "logging", "os", "prometheus_client"),
    *("random", "socket", "sqlalchemy", "subprocess", "threading", "time", "tornado", "traitlets"),
}


def sources() -> list[str]:
    """Every module of ours, as a path below the root."""
    found = [*(ROOT / "common").rglob("*.py"), *(ROOT / "services").rglob("*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def imports(path: str) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    package = path.replace("/", ".").rpartition(".")[0].rpartition(".")[0]
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *([node.module] if node.module else [])])
            module = base if node.level else str(node.module)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def tops(path: str) -> set[str]:
    """The distributions or packages that a file imports."""
    return {name.partition(".")[0] for name in imports(path)}


def test_there_is_something_to_hold() -> None:
    """The files are found where the design puts them."""
    assert "common/oauth.py" in sources()
    assert "services/cull/policy.py" in sources()


@pytest.mark.parametrize("path", [p for p in sources() if p.startswith("common/")])
def test_common_imports_no_service(path: str) -> None:
    """What the services share knows none of them."""
    assert "services" not in tops(path)
    assert "tests" not in tops(path)


@pytest.mark.parametrize("name", SERVICES)
def test_services_do_not_import_each_other(name: str) -> None:
    """A service imports common and itself."""
    own = f"services/{name}/"
    others = tuple(f"services.{other}" for other in SERVICES if other != name)
    for path in sources():
        if path.startswith(own):
            assert not [one for one in imports(path) if one.startswith(others)], path
            assert "tests" not in tops(path), path


def test_who_knows_traitlets() -> None:
    """Only the applications know traitlets."""
    knowing = {path for path in sources() if "traitlets" in tops(path)}
    assert knowing <= TRAITLETS


def test_who_knows_the_database() -> None:
    """Only what stores and queries knows SQLAlchemy."""
    knowing = {
        path
        for path in sources()
        if {"sqlalchemy", "alembic"} & tops(path) and "/migrations/" not in path
    }
    assert knowing <= DATABASE


@pytest.mark.parametrize("path", PURE)
def test_pure_files_have_no_effects(path: str) -> None:
    """Decisions import neither network nor clock nor log."""
    assert not tops(path) & EFFECTS


def test_jupyterhub_in_few_places() -> None:
    """JupyterHub's own code, slow to import, is known to the sign-in and nothing else."""
    knowing = {path for path in sources() if "jupyterhub" in tops(path)}
    assert knowing <= {"common/oauth_settings.py", "common/oauth_tornado.py"}


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("common.hub", ["aiohttp.web", "jupyterhub", "jinja2", "sqlalchemy", "traitlets"]),
        ("common.config", ["aiohttp.web", "jupyterhub", "jinja2", "sqlalchemy", "tornado"]),
        ("common.oauth", ["jupyterhub", "tornado", "sqlalchemy"]),
        ("services.cull.app", ["aiohttp.web", "jupyterhub", "jinja2", "sqlalchemy", "tornado"]),
    ],
)
def test_cheap_imports(module: str, without: list[str]) -> None:
    """What a single pass needs starts without what only pages and databases need."""
    code = f"import sys, {module}; print([m for m in {without!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
