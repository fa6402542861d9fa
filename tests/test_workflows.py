"""The continuous integration on GitHub: valid, without known weaknesses, and calling `make`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.paths import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))


def check(schema: str, *paths: Path) -> None:
    """Check files against one of the schemas that check-jsonschema brings along."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_are_valid() -> None:
    """GitHub would accept them."""
    assert len(WORKFLOWS) >= 5
    check("github-workflows", *WORKFLOWS)


def test_the_dependabot_configuration_is_valid() -> None:
    """And the folders that it names exist."""
    check("dependabot", GITHUB / "dependabot.yml")
    for update in yaml.safe_load((GITHUB / "dependabot.yml").read_text("utf-8"))["updates"]:
        for folder in update.get("directories", [update.get("directory")]):
            assert folder == "/" or list(ROOT.glob(folder.strip("/"))), folder


@pytest.mark.parametrize("name", ["bug_report", "feature_request"])
def test_the_issue_forms_are_valid(name: str) -> None:
    """GitHub would show them."""
    check("github-issue-forms", GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_make(path: Path) -> None:
    """What they run is what a contributor runs: targets that exist."""
    called = set(re.findall(r"\bmake ([a-z-]+)", path.read_text("utf-8")))
    assert called
    assert called <= TARGETS


def test_no_known_weakness() -> None:
    """zizmor finds nothing: pinned actions, no more permissions than needed, no injection."""
    zizmor = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    assert zizmor is not None, "run `make setup`"
    done = subprocess.run(
        [zizmor, "--offline", "--quiet", str(GITHUB)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
