"""The installed software that the code in a sandbox may read and execute."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

#: Folders of ``/usr``, of ``/usr/local`` and of the root.
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "share", "include")
_OTHERS = ("/nix/store", "/sys/devices/system/cpu", "/sys/devices/system/node")
#: Of ``/etc``: what programs need and nothing that names accounts or contains secrets.
_ETC = (
    *("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone"),
    *("ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/ca-trust/extracted"),
    *("ca-certificates", "ca-certificates.conf", "fonts", "mime.types", "magic", "papersize"),
    *(
        "protocols",
        "services",
        "os-release",
        "R",
        "java",
        "ImageMagick-6",
        "ImageMagick-7",
        "texmf",
    ),
)
_ETC_WITH_NETWORK = ("resolv.conf", "hosts", "nsswitch.conf", "gai.conf", "host.conf")
#: Folders of an environment that may contain a service's settings and data.
_NOT_SOFTWARE = frozenset(
    ("boot", "dev", "etc", "home", "media", "mnt", "proc", "root", "run", "srv", "state", "sys")
) | {"tmp", "var", "courses", "data", "exchange", "secrets"}
#: Folders inside the software that contain submissions: nbgrader's default exchange is here.
_NOT_READABLE = ("/usr/local/share/nbgrader",)


@dataclass
class Software:
    """Real paths, and the symlinks that lead to them (path to target).

    ``private`` are real paths that are never among them, nor below one of them.
    """

    paths: dict[str, None] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    private: tuple[str, ...] = ()

    def add(self, path: str | Path) -> None:
        """Add a path, if it exists, and the symlink that it is.

        A folder that contains something private is added without it: entry by entry.
        """
        name = os.path.abspath(path)
        real = os.path.realpath(name)
        if not os.path.exists(real) or any(_is_below(real, one) for one in self.private):
            return
        if real != name and not self.covers(name):
            self.links[name] = real
        if self.covers(real):
            return
        if not any(_is_below(one, real) for one in self.private):
            self.paths[real] = None
            return
        with suppress(PermissionError):  # what cannot be listed is left out
            for name in sorted(os.listdir(real)):
                self.add(os.path.join(real, name))

    def covers(self, path: str) -> bool:
        """Whether a path is one of the paths or below one."""
        parts = path.split("/")
        return any("/".join(parts[:end]) in self.paths for end in range(2, len(parts) + 1))


def _is_below(path: str, folder: str) -> bool:
    """Whether a real path is this folder or below it."""
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def find(
    command: Iterable[str],
    more: Iterable[str | Path],
    *,
    network: bool,
    private: Iterable[str | Path] = (),
) -> Software:
    """The system's software, this Python's, and the environment of a kernel's command.

    ``more`` are further paths, such as the kernel's own folder. ``private`` are folders that the
    code must not read wherever they are, such as nbgrader's exchange.
    """
    found = Software(private=tuple(os.path.realpath(one) for one in (*_NOT_READABLE, *private)))
    for name in _SYSTEM:
        for folder in ("/usr", "/usr/local"):
            found.add(f"{folder}/{name}")
    for name in _SYSTEM:
        found.add(f"/{name}")
    for path in _OTHERS:
        found.add(path)
    for name in (*_ETC, *(_ETC_WITH_NETWORK if network else ())):
        found.add(f"/etc/{name}")
    program = next(iter(command))
    for prefix in (sys.prefix, sys.base_prefix, *_environments(program)):
        _add_environment(found, prefix)
    found.add(program)
    for one in more:
        found.add(one)
    return found


def _environments(program: str) -> list[str]:
    """The environments of a program: of its path, of what it links to, and their base."""
    found = []
    for path in (program, os.path.realpath(program)):
        prefix, folder = os.path.split(os.path.dirname(os.path.abspath(path)))
        if folder == "bin":
            found.append(prefix)
    for prefix in tuple(found):
        settings = Path(prefix, "pyvenv.cfg")
        if settings.is_file():
            for line in settings.read_text("utf-8", errors="replace").splitlines():
                name, _, value = line.partition("=")
                if name.strip() == "home":
                    found.append(os.path.dirname(value.strip()))
    return found


def _add_environment(found: Software, prefix: str) -> None:
    if prefix in {"", "/", "/usr", "/usr/local"} or found.covers(os.path.realpath(prefix)):
        return
    real = os.path.realpath(prefix)
    with os.scandir(real) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            # Files beside the software, such as .env, are settings, databases and keys.
            is_software = entry.is_dir() and not entry.name.startswith(".")
            if is_software and entry.name not in _NOT_SOFTWARE:
                found.add(entry.path)
    found.add(f"{real}/pyvenv.cfg")
    found.add(f"{real}/etc/fonts")
    if real != prefix:
        found.links[prefix] = real
