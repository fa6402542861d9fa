"""The playbooks keep Ansible's own rules for production."""

import os
import re
import subprocess

import yaml  # type: ignore[import-untyped]

from tests.docker.machines import ANSIBLE, needs_ansible


def _lint(directory: str) -> subprocess.CompletedProcess[str]:
    programs = needs_ansible()
    return subprocess.run(
        [str(programs / "ansible-lint"), "--nocolor", "--offline", "--strict"],
        cwd=directory,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_ansible_lint_has_nothing_to_say() -> None:
    """By its profile "production", warnings included."""
    ran = _lint(str(ANSIBLE))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "'production'" in ran.stdout + ran.stderr


def test_the_inventorys_example_has_no_secret_and_no_gap() -> None:
    """Whatever main.yml takes from the vault is in the vault's example, and says CHANGE-ME."""
    group_vars = ANSIBLE / "inventory.example" / "group_vars" / "all"
    vault = yaml.safe_load((group_vars / "vault.yml.example").read_text("utf-8"))
    assert {str(value).strip() for value in vault.values()} == {"CHANGE-ME"}
    texts = [path.read_text("utf-8") for path in (*ANSIBLE.rglob("*.yml"), *ANSIBLE.rglob("*.j2"))]
    for name in vault:
        assert any(f"{{{{ {name} }}}}" in text for text in texts), f"{name} is used nowhere"
    written = set(yaml.safe_load((group_vars / "main.yml").read_text("utf-8"))) | set(vault)
    used = {word for text in texts for word in re.findall(r"\b(?:classroom|vault)_[a-z_]+\b", text)}
    assert used <= written, used - written


def test_the_example_gives_the_stack_its_secrets() -> None:
    """Each secret that stack.yaml names comes from the vault, and none that it does not name."""
    stack = yaml.safe_load((ANSIBLE.parent / "stack.yaml").read_text("utf-8"))
    settings = ANSIBLE / "inventory.example" / "group_vars" / "all" / "main.yml"
    given = yaml.safe_load(settings.read_text("utf-8"))["classroom_secrets"]
    assert set(given) == set(stack["secrets"])
    assert given == {name: f"{{{{ vault_{name} }}}}" for name in given}
