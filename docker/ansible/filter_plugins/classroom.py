"""What is wrong with the settings of an inventory, before any machine is touched.

``check.yml`` gathers the settings and prints the problems; every play begins with it. Pure, but for
``as_on_disk``.
"""

import ipaddress
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

#: Characters; the same as docker/swarm asks for on the hub.
SHORTEST_SECRET = 32
SHORTEST = {"client_id": 1, "client_secret": 1, "user_password": 8}
#: The way to sign in that a secret is for; with another it is not looked at.
SIGN_IN = {
    "client_id": "google",
    "client_secret": "google",
    "user_password": "shared-password",
    "admin_password": "shared-password",
}
#: Fewer different characters are a pattern ("aaaaaaaa", "12121212").
FEWEST_DIFFERENT = 5
MAKE = "make each with openssl rand -hex 32 and write it with ansible-vault edit vault.yml"
#: What stands for machines, addresses and registries of yours in inventory.example.
EXAMPLES = "example.org"
LOCAL = ("http://localhost", "http://127.0.0.1")


def problems(settings: Mapping[str, Any]) -> list[str]:
    """A line a problem, each with what to write instead; none where all is well.

    ``settings``: secrets (by name), environment, machines (cluster_address by name), groups (names
    by group), registry, texts (by the name of the file; None where there is none), vault (as it is
    on disk; None where there is none).
    """
    environment = settings["environment"]
    authenticator = str(environment.get("AUTHENTICATOR", "shared-password"))
    secrets = {name: str(value).strip() for name, value in settings["secrets"].items()}
    return [
        *wrong_secrets(secrets, authenticator),
        *wrong_vault(settings["vault"]),
        *wrong_machines(settings["machines"], settings["groups"]),
        *wrong_places(environment, str(settings["registry"]), authenticator),
        *wrong_files(settings["texts"]),
    ]


def wrong_secrets(secrets: Mapping[str, str], authenticator: str) -> Iterator[str]:
    """Secrets that are the example's, weak, or two of the same."""
    examples = [name for name, value in secrets.items() if "CHANGE-ME" in value]
    if examples:
        yield f'{", ".join(examples)}: still CHANGE-ME; {MAKE} (or "" for a way to sign in unused)'
    used = {
        name: value
        for name, value in secrets.items()
        if name not in examples and SIGN_IN.get(name, authenticator) == authenticator
    }
    for name, value in used.items():
        shortest = SHORTEST.get(name, SHORTEST_SECRET)
        if len(value) < shortest:
            yield f"{name}: {len(value)} characters, {shortest} are needed; {MAKE}"
        elif shortest > 1 and len(set(value)) < FEWEST_DIFFERENT:
            yield f"{name}: weak, a pattern of {len(set(value))} different characters; {MAKE}"
    times = Counter(value for value in used.values() if value)
    same = [name for name, value in used.items() if times[value] > 1]
    if same:
        yield f"{', '.join(same)}: the same secret more than once; {MAKE}"


def wrong_vault(vault: str | None) -> Iterator[str]:
    """A vault that everybody can read who gets the file."""
    if vault and not vault.startswith("$ANSIBLE_VAULT") and "!vault" not in vault:
        yield "vault.yml is not encrypted: ansible-vault encrypt group_vars/all/vault.yml"


def wrong_machines(machines: Mapping[str, str], groups: Mapping[str, Any]) -> Iterator[str]:
    """Machines of the example, without an address of their own, or in no group."""
    for group in ("hub", "nfs"):
        if len(groups.get(group, [])) != 1:
            yield f"group {group}: one machine belongs there, not {len(groups.get(group, []))}"
    if not groups.get("workers"):
        yield "group workers: at least one machine belongs there (the hub's, for a small class)"
    examples = [name for name in machines if name.endswith(EXAMPLES)]
    if examples:
        yield f"{', '.join(examples)}: still the example's; write your machines into hosts.yml"
    for name, address in machines.items():
        if not _is_ipv4(address):
            yield (
                f"{name}: cluster_address={address or 'nothing'} is no IPv4 address; write the one "
                "under which the other machines reach it"
            )
    times = Counter(address for address in machines.values() if address)
    same = [name for name, address in machines.items() if times[address] > 1]
    if same:
        yield f"{', '.join(same)}: the same cluster_address; each machine has its own"


def _is_ipv4(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).version == 4
    except ValueError:
        return False


def wrong_places(
    environment: Mapping[str, Any], registry: str, authenticator: str
) -> Iterator[str]:
    """Addresses that are the example's, or that nothing can be reached by."""
    url = str(environment.get("PUBLIC_URL", ""))
    if EXAMPLES in url or not url.startswith(("http://", "https://")):
        yield (
            f"PUBLIC_URL={url}: write the hub's address in browsers, such as https://YOUR.HUB, "
            "into classroom_environment"
        )
    elif authenticator == "google" and not url.startswith(("https://", *LOCAL)):
        yield f"PUBLIC_URL={url}: Google sends people back to https addresses only"
    if EXAMPLES in registry:
        yield (
            f"classroom_registry={registry}: still the example's; write yours, "
            'or "" and classroom_images_archive'
        )
    elif registry and not registry.endswith("/"):
        yield f"classroom_registry={registry}: write {registry}/, with the slash"


def wrong_files(texts: Mapping[str, str | None]) -> Iterator[str]:
    """Files of yours that are missing, or not written in TOML."""
    for name, text in texts.items():
        if text is None:
            yield f"etc/{name} is missing: cp -r ../etc.example inventory/etc, then write yours"
            continue
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            yield f"etc/{name}: {error}"


def as_on_disk(path: str) -> str | None:
    """A file as it is, encrypted or not, which lookups do not tell; None where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


class FilterModule:
    """How Ansible finds filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By the names that plays call them by."""
        return {"as_on_disk": as_on_disk, "setting_problems": problems}
