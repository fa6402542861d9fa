"""The names that spawners give to the pods and containers of a user's server. Pure.

The rules are those of the spawners; each function names its source. They are one-way: a name is
mapped back to a user only by comparison with the names of all known users (``names.py``).
"""

import hashlib
import re
import string
from collections.abc import Callable, Iterator
from enum import StrEnum

_LOWER = frozenset(string.ascii_lowercase + string.digits)
_LETTERS = frozenset(string.ascii_letters + string.digits + "-")
_OBJECT_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_SLUG_LENGTH = 48
_HASH_LENGTH = 8
_LONGEST_OBJECT_NAME = 63
_SERVICE_HASH_LENGTH = 10


class Spawned(StrEnum):
    """What runs the servers, and so how they are named."""

    PODS = "pods"
    CONTAINERS = "containers"
    LEGACY_CONTAINERS = "legacy-containers"
    SERVICES = "services"


def names(spawned: Spawned, prefix: str, user: str, server: str) -> Iterator[str]:
    """Every name that the server may have, the older schemes included; an empty server name is
    the default server."""
    yield from _NAMES[spawned](prefix, user, server)


def _pods(prefix: str, user: str, server: str) -> Iterator[str]:
    """KubeSpawner: ``pod_name_template`` with the schemes "safe" (since 7) and "escape"."""
    yield f"{prefix}-{_safe_user_server(user, server)}"
    yield _join(prefix, escape(user), escape(server))


def _containers(prefix: str, user: str, server: str) -> Iterator[str]:
    """DockerSpawner 12 and newer: ``name_template`` with its own way to escape."""
    yield _join(prefix, escape(user), escape(server.lower()))


def _legacy_containers(prefix: str, user: str, server: str) -> Iterator[str]:
    """DockerSpawner with ``escape = "legacy"``.

    Apart from the others, because it leaves dashes as they are: a user named ``db-1`` would get
    the container ``PREFIX-db-1`` of a Compose project.
    """
    yield _join(prefix, _escape_legacy(user), _escape_legacy(server.lower()))


def _services(prefix: str, user: str, server: str) -> Iterator[str]:
    """SwarmSpawner, and the one in ``docker/hub``, which shortens long names."""
    name = _join(prefix, escape(user), escape(server.lower()))
    yield name
    if len(name) > _LONGEST_OBJECT_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:_SERVICE_HASH_LENGTH]
        yield f"{name[: _LONGEST_OBJECT_NAME - _SERVICE_HASH_LENGTH - 1].rstrip('-')}-{digest}"


_NAMES: dict[Spawned, Callable[[str, str, str], Iterator[str]]] = {
    Spawned.PODS: _pods,
    Spawned.CONTAINERS: _containers,
    Spawned.LEGACY_CONTAINERS: _legacy_containers,
    Spawned.SERVICES: _services,
}


def _join(prefix: str, user: str, server: str) -> str:
    return f"{prefix}-{user}--{server}" if server else f"{prefix}-{user}"


def escape(text: str) -> str:
    """Each byte but a-z and 0-9 as ``-`` and its hexadecimal value.

    Source: ``escape_slug`` of KubeSpawner and ``DockerSpawner.escape``, both by way of escapism.
    """
    return _escaped(text, _LOWER, "-").lower()


def _escape_legacy(text: str) -> str:
    return _escaped(text, _LETTERS, "_")


def _escaped(text: str, safe: frozenset[str], mark: str) -> str:
    return "".join(
        char
        if char in safe
        else "".join(f"{mark}{byte:X}" for byte in char.encode("utf-8", "surrogatepass"))
        for char in text
    )


def _safe_user_server(user: str, server: str) -> str:
    """The slug of user and server. Source: kubespawner/spawner.py, ``_expand_user_properties``."""
    safe_user, safe_server = _safe(user), _safe(server) if server else ""
    if len(safe_user) + len(safe_server) + 2 > _SLUG_LENGTH:
        return _hashed_pair(user, server)
    return f"{safe_user}--{safe_server}" if server else safe_user


def _safe(name: str) -> str:
    """The name itself if Kubernetes accepts it, otherwise what it accepts of it and a hash.

    Source: kubespawner/slugs.py, ``safe_slug``.
    """
    if "--" not in name and len(name) <= _SLUG_LENGTH and _OBJECT_NAME.fullmatch(name):
        return name
    return f"{_readable(name, _SLUG_LENGTH - _HASH_LENGTH - 3)}---{_digest(name)}"


def _hashed_pair(user: str, server: str) -> str:
    """Both names and one hash. Source: kubespawner/slugs.py, ``multi_slug``."""
    each = (_SLUG_LENGTH - _HASH_LENGTH - 1) // 2 - 2
    digest = hashlib.sha256(_bytes(user) + b"\xff" + _bytes(server)).hexdigest()[:_HASH_LENGTH]
    return f"{_readable(user, each)}--{_readable(server, each)}---{digest}"


def _readable(name: str, longest: int) -> str:
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-")[:longest].rstrip("-")
    if text and text[0] not in string.ascii_lowercase:
        text = "x-" + text[: longest - 2]
    return text or "x"


def _digest(name: str) -> str:
    return hashlib.sha256(_bytes(name)).hexdigest()[:_HASH_LENGTH]


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
