"""Checks the settings of an inventory before any machine is changed.

``check.yml`` collects the settings and prints the problems; the other playbooks run it first. All
functions are pure except ``as_on_disk``.
"""

import hashlib
import ipaddress
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

#: Minimum lengths in characters; docker/swarm requires the same on the hub.
SHORTEST_SECRET = 32
SHORTEST = {"client_id": 1, "client_secret": 1, "user_password": 8}
#: The authenticator that uses a secret; the secrets of others are not checked.
AUTHENTICATOR_OF = {
    "client_id": "google",
    "client_secret": "google",
    "user_password": "shared-password",
    "admin_password": "shared-password",
}
#: Secrets with fewer distinct characters count as patterns ("aaaaaaaa", "12121212").
MIN_DISTINCT = 5
REMEDY = "generate each with openssl rand -hex 32 and set it with ansible-vault edit vault.yml"
#: The IDs of courses, which are also names of services and hosts. docker/setup has the same rule.
COURSE_ID = re.compile(r"[a-z][a-z0-9-]{0,38}[a-z0-9]")
RESERVED_IDS = frozenset({"on", "off", "no", "yes", "true", "false", "null"})
#: The domain of the machines, addresses and registries in inventory.example.
EXAMPLES = "example.org"
LOCAL = ("http://localhost", "http://127.0.0.1")


def problems(settings: Mapping[str, Any]) -> list[str]:
    """Return the problems, each in one line with the remedy.

    ``settings`` has these keys: secrets (by name), environment, machines (cluster_address by name),
    groups (machine names by group), registry, texts (by file name; None if the file is missing),
    vault (the file's content on disk; None if it is missing) and courses (the IDs with a token).
    """
    environment = settings["environment"]
    authenticator = str(environment.get("AUTHENTICATOR", "shared-password"))
    secrets = {name: str(value).strip() for name, value in settings["secrets"].items()}
    return [
        *check_secrets(secrets, authenticator),
        *check_vault(settings["vault"]),
        *check_machines(settings["machines"], settings["groups"]),
        *check_addresses(environment, str(settings["registry"]), authenticator),
        *check_files(settings["texts"]),
        *check_courses(settings["courses"], settings["texts"].get("courses.toml") or ""),
    ]


def check_secrets(secrets: Mapping[str, str], authenticator: str) -> Iterator[str]:
    """Report secrets that are example values, too short, patterns or duplicates."""
    examples = [name for name, value in secrets.items() if "CHANGE-ME" in value]
    if examples:
        yield f'{", ".join(examples)}: still set to CHANGE-ME; {REMEDY} (or use "" if it is unused)'
    used = {
        name: value
        for name, value in secrets.items()
        if name not in examples and AUTHENTICATOR_OF.get(name, authenticator) == authenticator
    }
    for name, value in used.items():
        shortest = SHORTEST.get(name, SHORTEST_SECRET)
        if len(value) < shortest:
            yield f"{name}: too short ({len(value)} characters, minimum {shortest}); {REMEDY}"
        elif shortest > 1 and len(set(value)) < MIN_DISTINCT:
            yield f"{name}: weak (only {len(set(value))} distinct characters); {REMEDY}"
    times = Counter(value for value in used.values() if value)
    duplicates = [name for name, value in used.items() if times[value] > 1]
    if duplicates:
        yield f"{', '.join(duplicates)}: identical secrets; {REMEDY}"


def check_vault(vault: str | None) -> Iterator[str]:
    """Report a vault that is not encrypted."""
    if vault and not vault.startswith("$ANSIBLE_VAULT") and "!vault" not in vault:
        yield "vault.yml is not encrypted: ansible-vault encrypt group_vars/all/vault.yml"


def check_machines(machines: Mapping[str, str], groups: Mapping[str, Any]) -> Iterator[str]:
    """Report example machines, groups of a wrong size, and invalid or duplicate addresses."""
    for group in ("hub", "nfs"):
        if len(groups.get(group, [])) != 1:
            yield f"group {group}: needs exactly one machine, has {len(groups.get(group, []))}"
    if not groups.get("workers"):
        yield "group workers: needs at least one machine (for a small class, the hub's)"
    examples = [name for name in machines if name.endswith(EXAMPLES)]
    if examples:
        yield f"{', '.join(examples)}: still the example value; list your machines in hosts.yml"
    for name, address in machines.items():
        if not _is_ipv4(address):
            yield (
                f"{name}: cluster_address={address or '(empty)'} is not an IPv4 address; use the"
                " address at which the other machines reach it"
            )
    times = Counter(address for address in machines.values() if address)
    duplicates = [name for name, address in machines.items() if times[address] > 1]
    if duplicates:
        yield f"{', '.join(duplicates)}: identical cluster_address; each machine needs its own"


def _is_ipv4(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).version == 4
    except ValueError:
        return False


def check_addresses(
    environment: Mapping[str, Any], registry: str, authenticator: str
) -> Iterator[str]:
    """Report a public address or registry that is invalid or still the example value."""
    url = str(environment.get("PUBLIC_URL", ""))
    if EXAMPLES in url or not url.startswith(("http://", "https://")):
        yield (
            f"PUBLIC_URL={url}: set it in classroom_environment to the hub's public address,"
            " such as https://YOUR.HUB"
        )
    elif authenticator == "google" and not url.startswith(("https://", *LOCAL)):
        yield f"PUBLIC_URL={url}: Google redirects users only to https addresses"
    if str(environment.get("SUBDOMAINS", "no")) not in {"yes", "no"}:
        yield 'SUBDOMAINS: use "yes" or "no" in classroom_environment, with the quotation marks'
    if EXAMPLES in registry:
        yield (
            f"classroom_registry={registry}: still the example value; use your registry,"
            ' or "" with classroom_images_archive'
        )
    elif registry and not registry.endswith("/"):
        yield f"classroom_registry={registry}: add a slash at the end: {registry}/"


def check_files(texts: Mapping[str, str | None]) -> Iterator[str]:
    """Report files in etc/ that are missing or not valid TOML."""
    for name, text in texts.items():
        if text is None:
            yield f"etc/{name} is missing: run cp -r ../etc.example inventory/etc and edit it"
            continue
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            yield f"etc/{name}: {error}"


def check_courses(ids: Iterable[str], text: str) -> Iterator[str]:
    """Report IDs that are not valid, and courses that share a token or have none."""
    ids = [str(each) for each in ids]
    for each in ids:
        if not COURSE_ID.fullmatch(each) or each in RESERVED_IDS:
            yield (
                f"vault_grading_tokens: {each} is not a valid course ID; use 2 to 40 lower-case"
                " letters, digits and dashes, such as course102, and start with a letter"
            )
    accounts: dict[int, str] = {}
    for each in (each for each in ids if each != "course101"):  # which has a fixed one
        first = accounts.setdefault(course_uid(each), each)
        if first != each:
            yield (
                f"vault_grading_tokens: {first} and {each} have the same account, so each course"
                " could read what the other collects; use another ID for one of them"
            )
    try:
        tables = tomllib.loads(text).get("course", [])
    except tomllib.TOMLDecodeError:
        return  # reported by check_files
    tables = [each for each in tables if isinstance(each, dict)] if isinstance(tables, list) else []
    files = Counter(str(each["token_file"]) for each in tables if "token_file" in each)
    for file in (file for file, times in files.items() if times > 1):
        yield (
            f"etc/courses.toml: several courses have the token_file {file}; add a token for each"
            " course to vault_grading_tokens, and use /run/secrets/grading_token_ID"
        )
    for file in files:
        _, found, course_id = file.partition("/run/secrets/grading_token_")
        if found and course_id not in {*ids, "course101"}:
            yield (
                f"etc/courses.toml: {file} does not exist; add {course_id} to vault_grading_tokens"
                " with ansible-vault edit vault.yml"
            )


def grading_secrets(tokens: Mapping[str, str]) -> dict[str, str]:
    """Return the names and values of the Swarm secrets for the courses' tokens, by course ID."""
    return {f"grading_token_{course_id}": token for course_id, token in tokens.items()}


def course_uid(course_id: str) -> int:
    """Return the account that collects and autogrades in a course's container."""
    return int(hashlib.sha256(course_id.encode()).hexdigest()[:4], 16) % 1500 + 70000


def course_stack(template: str, course_id: str) -> str:
    """Return the stack file of a course; docker/setup --add-course writes the same."""
    values = {
        "ID": course_id,
        "UID": str(course_uid(course_id)),
        "VAR": course_id.replace("-", "_"),
    }
    for name, value in values.items():
        template = template.replace(f"__{name}__", value)
    return template


def as_on_disk(path: str) -> str | None:
    """Return a file without decrypting it, as lookups would; None if it does not exist."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


class FilterModule:
    """The class in which Ansible looks for filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "as_on_disk": as_on_disk,
            "course_stack": course_stack,
            "grading_secrets": grading_secrets,
            "setting_problems": problems,
        }
