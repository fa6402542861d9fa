"""The documentation matches the code, its links lead somewhere, and packages are complete."""

import re
import tomllib
from pathlib import Path

import pytest
from traitlets.config import Config

from services.cull.app import IdleCuller
from services.declare import declare
from tests.paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "docker").rglob("*.md"),
    )
    if "node_modules" not in path.parts
)


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to a document's headings."""
    text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.S)
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link names a file that exists, and a heading in it."""
    text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name) if name else document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_exist(document: Path) -> None:
    """A path of the project that a document names is one that exists."""
    if document.name == "CHANGELOG.md":
        return  # it names the past
    text = document.read_text("utf-8")
    pattern = (
        r"`((?:common|services|tests|docker|examples|docs)/[\w./-]+\.(?:py|toml|md|yaml|html))`"
    )
    missing = [name for name in re.findall(pattern, text) if not (ROOT / name).exists()]
    assert missing == []


def test_the_readme_quotes_messages_that_exist() -> None:
    """What the troubleshooting table quotes can be found in the code."""
    table = README.partition("## Troubleshooting")[2].partition("\n\n## ")[0]
    first = [row.split("|")[1] for row in table.splitlines() if row.startswith("| ")]
    quoted = [text for cell in first for text in re.findall(r"`([A-Z][^`/]+)`", cell)]
    sources = [*(ROOT / "common").rglob("*.py"), *(ROOT / "services").rglob("*.py")]
    sources += (ROOT / "docker" / "hub").rglob("*.py")
    code = " ".join(re.sub(r"\"\s+f?\"", "", path.read_text("utf-8")) for path in sources)
    assert quoted
    for text in quoted:
        if text != "Cannot connect to cull service":  # JupyterHub's own
            for part in text.split(" ... "):
                assert part in code, text


def test_the_readme_names_every_flag_of_the_culler() -> None:
    """No flag is missing from its table, and none is there that does not exist."""
    table = README.partition("| flag | default |")[2].partition("\n\n")[0]
    named = {flag for row in table.splitlines() for flag in re.findall(r"`--([a-z-]+)`", row)}
    built_in = {"generate-config", "help", "help-all", "version"}
    assert named == set(IdleCuller.options()) | built_in


def test_the_readmes_configuration_is_what_declare_writes() -> None:
    """Who declares the culler by hand gets the same roles, scopes and pages."""
    code = next(
        one for one in re.findall(r"```python\n(.*?)```", README, re.S) if "load_roles" in one
    )
    by_hand, declared = Config(), Config()
    exec(code, {"c": by_hand})  # noqa: S102 - the README is part of the project
    declare(declared, cull={"timeout": 3600})
    assert _roles(by_hand) == _roles(declared)
    assert by_hand.JupyterHub.custom_scopes.keys() == declared.JupyterHub.custom_scopes.keys()
    (one,), (other,) = by_hand.JupyterHub.services, declared.JupyterHub.services
    assert one["command"] == other["command"]
    assert one["oauth_client_allowed_scopes"] == other["oauth_client_allowed_scopes"]


def _roles(c: Config) -> dict[str, list[str]]:
    return {role["name"]: sorted(role["scopes"]) for role in c.JupyterHub.load_roles}


def test_every_file_is_packaged() -> None:
    """Templates, styles and type markers come with the wheel, not only with a checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    for top in ("common", "services"):
        for file in (ROOT / top).rglob("*"):
            if not file.is_file() or {"__pycache__", "npm"} & set(file.parts):
                continue  # npm: what building needs, and no more
            package = next(up for up in file.parents if (up / "__init__.py").exists())
            if file.suffix == ".py":
                assert file.parent == package, f"{file} is in no package"
            else:
                found = (path for one in patterns for path in package.glob(one))
                assert file in found, f"{file} is left out"
