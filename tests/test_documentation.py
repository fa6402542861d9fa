"""What the documentation shows is what there is, and what is installed has all its files."""

import re
import tomllib
from pathlib import PurePath

from traitlets.config import Config

from services.cull.app import IdleCuller
from services.declare import declare
from tests.paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")


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
    exec(code, {"c": by_hand})  # noqa: S102 - our own README's
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
            inside = PurePath(file.relative_to(package))
            if file.suffix == ".py":
                assert len(inside.parts) == 1, f"{file} is in no package"
            else:
                assert any(inside.match(one) for one in patterns), f"{file} is left out"
