"""The layout of the code: what each folder may import, and how large it may be."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.paths import ROOT

SERVICES = ("cull", "stats", "formgrader_proxy")
#: Python files in one folder.
MOST_FILES = 12

#: The folders of ``common`` that each of them may import, besides the modules of ``common`` itself.
COMMON_IMPORTS: dict[str, set[str]] = {
    "hub": set(),
    "proxy": {"hub"},
    "db": set(),
    "oauth": {"hub"},
    "web": {"oauth"},
    "config": {"hub", "oauth"},
    "program": {"config", "hub", "oauth", "web"},
}
#: The folders of a service that each of them may import. The modules beside them hold values that
#: all may import, and compose the service.
SERVICE_IMPORTS: dict[str, set[str]] = {
    "cull/policy": set(),
    "cull/store": {"policy"},
    "cull/passes": {"policy", "store"},
    "cull/web": {"passes", "policy", "store"},
    "cull/commands": {"passes", "policy", "store"},
    "stats/settings": set(),
    "stats/query": set(),
    "stats/mail": {"query"},
    "stats/prometheus": {"query"},
    "stats/store": {"query", "settings"},
    "stats/record": {"settings", "store"},
    "stats/meeting": {"query", "settings", "store"},
    "stats/web": {"meeting", "prometheus", "query", "settings", "store"},
    "stats/commands": {"meeting", "query", "record", "settings", "store"},
    "formgrader_proxy/store": set(),
    "formgrader_proxy/export": set(),
    "formgrader_proxy/course_folders": set(),
    "formgrader_proxy/courses_file": {"autograding", "course_folders"},
    "formgrader_proxy/gradebook": {"autograding", "export"},
    "formgrader_proxy/course_check": {"gradebook"},
    "formgrader_proxy/rendering": {"course_check", "gradebook"},
    "formgrader_proxy/sandbox": set(),
    "formgrader_proxy/autograding": {"sandbox"},
    "formgrader_proxy/upstream": {
        "autograding",
        "course_check",
        "courses_file",
        "gradebook",
        "rendering",
        "sandbox",
    },
    "formgrader_proxy/jobs": {"store", "upstream"},
    "formgrader_proxy/web": {"export", "jobs", "store", "upstream"},
    "formgrader_proxy/commands": {
        "autograding",
        "course_check",
        "course_folders",
        "export",
        "gradebook",
        "upstream",
    },
    "formgrader_proxy/proxy": {"jobs", "store", "upstream", "web"},
}
#: Who may know traitlets: the applications, and a Jupyter server's own configuration.
TRAITLETS = (
    "common/config",
    *(f"services/{name}/app.py" for name in SERVICES),
    "services/stats/mail/options.py",
    "services/stats/prometheus/options.py",
    "services/formgrader_proxy/autograding",
    "services/formgrader_proxy/course_check",
    "services/formgrader_proxy/gradebook",
    "services/formgrader_proxy/rendering",
    "services/formgrader_proxy/sandbox/provisioner.py",
    "services/formgrader_proxy/upstream/server.py",
)
#: Who may know SQLAlchemy and Alembic.
DATABASE = (
    "common/db",
    "services/cull/store",
    "services/stats/store",
    "services/formgrader_proxy/course_check/gradebook",
    "services/formgrader_proxy/gradebook",
    "services/formgrader_proxy/store",
)
#: Decisions: no waiting, logging, clock or network.
PURE = (
    "common/config/command.py",
    "common/config/flags.py",
    "common/csv_table.py",
    "common/config/suggestions.py",
    "common/db/address.py",
    "common/durations.py",
    "common/hub/clock.py",
    "common/hub/models.py",
    "common/readiness.py",
    "common/oauth/cookie_header.py",
    "common/oauth/refusal.py",
    "common/oauth/xsrf.py",
    "common/web/openapi.py",
    "services/cull/commands/dry_run.py",
    "services/cull/commands/explanation.py",
    "services/cull/commands/terminal.py",
    "services/cull/policy",
    "services/cull/web/api/openapi.py",
    "services/cull/web/api/types.py",
    "services/cull/web/api/views.py",
    "services/cull/web/forms.py",
    "services/cull/web/server_table.py",
    "services/formgrader_proxy/access.py",
    "services/formgrader_proxy/allow_list.py",
    "services/formgrader_proxy/commands/new_course/plan.py",
    "services/formgrader_proxy/course_check/findings.py",
    "services/formgrader_proxy/course_folders/pattern.py",
    "services/formgrader_proxy/export",
    "services/formgrader_proxy/gradebook/grades/summary.py",
    "services/formgrader_proxy/jobs/choice.py",
    "services/formgrader_proxy/jobs/progress.py",
    "services/formgrader_proxy/jobs/requests.py",
    "services/formgrader_proxy/jobs/result.py",
    "services/formgrader_proxy/names.py",
    "services/formgrader_proxy/new_names.py",
    "services/formgrader_proxy/proxy/headers.py",
    "services/formgrader_proxy/proxy/additions/notebook_links.py",
    "services/formgrader_proxy/proxy/additions/xsrf.py",
    "services/formgrader_proxy/proxy/policy_headers.py",
    "services/formgrader_proxy/proxy/response_headers.py",
    "services/formgrader_proxy/proxy/target.py",
    "services/formgrader_proxy/store/job.py",
    "services/formgrader_proxy/upstream/keeper/log_lines.py",
    "services/formgrader_proxy/upstream/keeper/plan.py",
    "services/formgrader_proxy/upstream/pool/balance.py",
    "services/formgrader_proxy/web/jobs/views.py",
    "services/stats/commands/report_formats.py",
    "services/stats/commands/tables",
    "services/stats/intervals.py",
    "services/stats/prometheus/presets.py",
    "services/stats/prometheus/settings.py",
    "services/stats/query",
    "services/stats/record/culls.py",
    "services/stats/record/identity.py",
    "services/stats/record/memberships.py",
    "services/stats/record/observed.py",
    "services/stats/record/sampler.py",
    "services/stats/record/sessions.py",
    "services/stats/recorder_state.py",
    "services/stats/settings",
    "services/stats/store/daily/rollup.py",
    "services/stats/store/daily/without_person.py",
    "services/stats/web/api/cohort_responses.py",
    "services/stats/web/api/openapi.py",
    "services/stats/web/api/parameters.py",
    "services/stats/web/api/responses.py",
    "services/stats/web/resources/types.py",
)
EFFECTS = {
    *("aiohttp", "asyncio", "jinja2", "jupyterhub", "logging", "os", "prometheus_client"),
    *("random", "socket", "sqlalchemy", "subprocess", "threading", "time", "tornado", "traitlets"),
}


def sources() -> list[str]:
    """Every module of the project, as a path below the root."""
    found = [*(ROOT / "common").rglob("*.py"), *(ROOT / "services").rglob("*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def imports(path: str) -> Iterator[str]:
    """The modules that a file imports, anywhere in it."""
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


def imported_files(path: str) -> set[str]:
    """The files of the project that a file imports, anywhere in it."""
    files = set(sources())
    wanted = (name.replace(".", "/") for name in imports(path))
    return {f"{name}.py" for name in wanted if f"{name}.py" in files} - {path}


def tops(path: str) -> set[str]:
    """The distributions or packages that a file imports."""
    return {name.partition(".")[0] for name in imports(path)}


def below(path: str, places: tuple[str, ...]) -> bool:
    """Whether a file is one of these files or inside one of these folders."""
    return any(path == place or path.startswith(f"{place}/") for place in places)


def tracked() -> list[str]:
    """Every Python file that git knows; in an unpacked archive, every one in the known folders."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return [path for path in done.stdout.splitlines() if (ROOT / path).exists()]
    return [*sources(), *(str(p.relative_to(ROOT)) for p in (ROOT / "tests").rglob("*.py"))]


def test_files_are_found() -> None:
    """The other tests look at something."""
    assert "common/hub/client.py" in sources()
    assert "services/cull/policy/decide.py" in sources()
    assert all((ROOT / place).exists() for place in (*PURE, *DATABASE, *TRAITLETS))


def test_folders_stay_small() -> None:
    """A folder can be taken in at a glance."""
    counts = Counter(str(PurePosixPath(path).parent) for path in tracked())
    assert {folder: n for folder, n in counts.items() if n > MOST_FILES} == {}


def test_no_import_cycles() -> None:
    """No module imports itself by way of others, not even inside a function."""
    graph = {path: imported_files(path) for path in sources()}
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        todo = list(graph[start])
        while todo:
            path = todo.pop()
            if path not in seen:
                seen.add(path)
                todo.extend(graph[path])
        reached[start] = seen
    assert sorted(path for path, seen in reached.items() if path in seen) == []


@pytest.mark.parametrize("folder", sorted(COMMON_IMPORTS))
def test_common_folders_are_layered(folder: str) -> None:
    """A folder of ``common`` imports only the folders below it."""
    allowed = COMMON_IMPORTS[folder] | {folder}
    for path in sources():
        if path.startswith(f"common/{folder}/"):
            found = {
                PurePosixPath(one).parts[1]
                for one in imported_files(path)
                if one.startswith("common/") and one.count("/") > 1
            }
            assert found <= allowed, path


@pytest.mark.parametrize("folder", sorted(SERVICE_IMPORTS))
def test_service_folders_are_layered(folder: str) -> None:
    """A folder of a service imports only the folders below it."""
    service, _, name = folder.partition("/")
    for path in sources():
        if path.startswith(f"services/{folder}/"):
            found = {
                PurePosixPath(one).parts[2]
                for one in imported_files(path)
                if one.startswith(f"services/{service}/") and one.count("/") > 2
            }
            assert found <= SERVICE_IMPORTS[folder] | {name}, path


def test_every_folder_has_its_layer() -> None:
    """No folder of a service is left out of the rule."""
    folders = {
        "/".join(PurePosixPath(path).parts[1:3])
        for path in sources()
        if path.startswith(tuple(f"services/{name}/" for name in SERVICES)) and path.count("/") > 2
    }
    assert folders == set(SERVICE_IMPORTS)


@pytest.mark.parametrize("path", [p for p in sources() if p.startswith("common/")])
def test_common_imports_no_service(path: str) -> None:
    """What the services share knows none of them."""
    assert "services" not in tops(path)
    assert "tests" not in tops(path)
    if path.count("/") == 1:
        own = {one.partition(".")[2] for one in imports(path) if one.startswith("common.")}
        assert not {one.partition(".")[0] for one in own} & set(COMMON_IMPORTS), path


@pytest.mark.parametrize("name", SERVICES)
def test_services_do_not_import_each_other(name: str) -> None:
    """A service imports common and itself."""
    own = f"services/{name}/"
    others = tuple(f"services.{other}" for other in SERVICES if other != name)
    for path in sources():
        if path.startswith(own):
            assert not [one for one in imports(path) if one.startswith(others)], path
            assert "tests" not in tops(path), path


@pytest.mark.parametrize(
    ("packages", "places"),
    [({"traitlets"}, TRAITLETS), ({"sqlalchemy", "alembic"}, DATABASE)],
    ids=["traitlets", "database"],
)
def test_who_knows_a_library(packages: set[str], places: tuple[str, ...]) -> None:
    """Configuration and databases are each known in few places."""
    knowing = [path for path in sources() if packages & tops(path)]
    assert [path for path in knowing if not below(path, places)] == []


@pytest.mark.parametrize("path", [path for path in sources() if below(path, PURE)])
def test_pure_files_have_no_effects(path: str) -> None:
    """Decisions import neither network nor clock nor log."""
    assert not tops(path) & EFFECTS


def test_jupyterhub_in_few_places() -> None:
    """JupyterHub's own code, slow to import, is known to the sign-in and nothing else."""
    knowing = {path for path in sources() if "jupyterhub" in tops(path)}
    assert knowing == {"common/oauth/hub_oauth.py"}


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("common.hub.client", ["aiohttp.web", "jupyterhub", "jinja2", "sqlalchemy", "traitlets"]),
        (
            "common.config.application",
            ["aiohttp.web", "jupyterhub", "jinja2", "sqlalchemy", "tornado"],
        ),
        ("common.oauth.sign_in", ["jupyterhub", "tornado", "sqlalchemy"]),
        ("common.db.checks", ["sqlalchemy", "alembic", "aiosqlite", "asyncpg"]),
        ("common.db.schema", ["alembic", "asyncpg"]),
        ("services.cull.store.store", ["alembic", "asyncpg", "aiohttp.web"]),
        ("services.stats.store.store", ["alembic", "asyncpg", "aiohttp.web"]),
        ("services.formgrader_proxy.store.audit", ["alembic", "asyncpg", "aiohttp.web"]),
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
