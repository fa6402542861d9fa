"""Creates inventories from the example inventory."""

import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.docker.engine import run
from tests.docker.machines import ANSIBLE, ansible_programs
from tests.paths import ROOT


def write_inventory(
    directory: Path,
    groups: Mapping[str, Sequence[str]],
    addresses: Mapping[str, str],
    settings: Mapping[str, Any],
) -> None:
    """Write an inventory with a random value for each secret; the vault is not encrypted."""
    shutil.copytree(ANSIBLE / "inventory.example", directory)
    shutil.copytree(ROOT / "docker/etc.example", directory / "etc")
    children = {
        group: {"hosts": {name: {"cluster_address": addresses[name]} for name in names}}
        for group, names in groups.items()
    }
    (directory / "hosts.yml").write_text(json.dumps({"all": {"children": children}}))
    group_vars = directory / "group_vars" / "all"
    (group_vars / "tests.yml").write_text(json.dumps(settings))
    example = yaml.safe_load((group_vars / "vault.yml.example").read_text("utf-8"))
    vault = {name: _random(value) for name, value in example.items()}
    (group_vars / "vault.yml").write_text(json.dumps(vault))


def _random(value: object) -> object:
    """Return a random value for each value of an example."""
    if isinstance(value, dict):
        return {name: _random(each) for name, each in value.items()}
    return secrets.token_hex(32)


def encrypt(directory: Path, password: Path) -> None:
    """Encrypt the vault with the password in a file."""
    vault = directory / "group_vars" / "all" / "vault.yml"
    program = str(ansible_programs() / "ansible-vault")
    run([program, "encrypt", str(vault), f"--vault-password-file={password}"])
    assert "vault_cull_token" not in vault.read_text("utf-8")
