"""The playbooks pass ansible-lint, and the example inventory is complete."""

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


def test_ansible_lint_passes() -> None:
    """The playbooks meet the profile "production", without warnings."""
    ran = _lint(str(ANSIBLE))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "'production'" in ran.stdout + ran.stderr


def test_the_example_inventory_is_complete_and_has_no_secrets() -> None:
    """Every variable is defined, and every secret in vault.yml.example is CHANGE-ME."""
    group_vars = ANSIBLE / "inventory.example" / "group_vars" / "all"
    vault = yaml.safe_load((group_vars / "vault.yml.example").read_text("utf-8"))
    tokens = vault["vault_grading_tokens"]
    assert {str(value).strip() for value in (vault | tokens).values()} == {"CHANGE-ME", str(tokens)}
    texts = [path.read_text("utf-8") for path in (*ANSIBLE.rglob("*.yml"), *ANSIBLE.rglob("*.j2"))]
    for name in vault:
        assert any(f"{{{{ {name} }}}}" in text for text in texts), f"{name} is unused"
    defined = set(yaml.safe_load((group_vars / "main.yml").read_text("utf-8"))) | set(vault)
    used = {word for text in texts for word in re.findall(r"\b(?:classroom|vault)_[a-z_]+\b", text)}
    assert used <= defined, used - defined


def test_the_example_defines_the_secrets_of_the_stack() -> None:
    """Exactly the secrets that stack.yaml uses come from the vault."""
    stack = yaml.safe_load((ANSIBLE.parent / "stack.yaml").read_text("utf-8"))
    settings = ANSIBLE / "inventory.example" / "group_vars" / "all" / "main.yml"
    given = yaml.safe_load(settings.read_text("utf-8"))["classroom_secrets"]
    vault = settings.with_name("vault.yml.example").read_text("utf-8")
    courses = {f"grading_token_{each}" for each in yaml.safe_load(vault)["vault_grading_tokens"]}
    assert set(given) | courses == set(stack["secrets"])
    assert given == {name: f"{{{{ vault_{name} }}}}" for name in given}
