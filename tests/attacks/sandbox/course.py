"""A course on disk with everything that a submission must not reach, and the way to execute one."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.paths import ROOT

#: A user id without an account, for a formgrader that does not run as root.
ORDINARY = 61_999
EXECUTE = ROOT / "tests" / "attacks" / "sandbox" / "execute.py"
#: This Python may be in root's home directory, which other accounts cannot enter. The command runs
#: with a copy of the mounts in which they can.
OPEN_HOME = """
set -e
keep=$(mktemp -d)
mount --bind "$1" "$keep"
mount -t tmpfs -o mode=755 none /root
mkdir -p "$1"
mount --move "$keep" "$1"
rmdir "$keep" 2>/dev/null || true
shift
exec "$@"
"""


@dataclass(frozen=True)
class Result:
    """What an executed notebook printed, cell by cell, and how its sandbox ended."""

    outputs: list[str]
    outcome: dict[str, Any] | None
    error: str | None


def as_account(uid: int | None, command: Sequence[str]) -> list[str]:
    """The command under another account; None is the account of the tests."""
    if uid is None:
        return list(command)
    account = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all"]
    changed = ["setpriv", *account, "--", *command]
    home = Path(sys.base_prefix)
    if not home.is_relative_to("/root"):
        return changed
    script = ["bash", "-c", OPEN_HOME, "open-home", str(home), *changed]
    return ["unshare", "--mount", "--propagation", "private", *script]


def why_not(uid: int | None) -> str | None:
    """Why commands cannot run under that account here; None if they can."""
    if uid is None:
        return None
    if os.geteuid() != 0:
        return "only root can change accounts"
    done = subprocess.run(
        as_account(uid, [sys.executable, "-c", "import nbgrader, services"]),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return (
        None if done.returncode == 0 else f"another account cannot run this Python: {done.stderr}"
    )


def make_directory() -> Path:
    """A new directory, not in /tmp: what a sandbox has there is its own."""
    return Path(tempfile.mkdtemp(prefix="course-", dir="/var/tmp"))


@dataclass
class Course:
    """Below a temporary directory that every account may enter. Close it after use."""

    uid: int | None = None
    root: Path = field(
        default_factory=lambda: Path(tempfile.mkdtemp(prefix="course-", dir="/var/tmp"))
    )
    reached: list[str] = field(default_factory=list)
    _sockets: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Write the files, and start what listens and what runs."""
        self.root.chmod(0o755)
        self.directory = self.root / "course"
        self.folder = self.directory / "autograded" / "ada" / "ps1"
        self.gradebook = self.directory / "gradebook.db"
        self.other = self.directory / "autograded" / "bob" / "ps1" / "answers.txt"
        self.exchange = self.root / "exchange"
        self.private = self.root / "private"
        self.shared = Path(f"/dev/shm/{self.root.name}")
        for name in ("submitted/eve/ps1", "release/ps1", "source/ps1"):
            (self.directory / name).mkdir(parents=True)
        for folder in (self.folder, self.other.parent, self.exchange / "inbound", self.private):
            folder.mkdir(parents=True)
        (self.exchange / "inbound" / "eve+ps1").write_text("exchange")
        (self.directory / "release" / "ps1" / "data.csv").write_text("released")
        (self.folder / "data.csv").write_text("of the assignment")
        self.other.write_text("answers of bob")
        self.shared.write_text("shared memory of others")
        with sqlite3.connect(self.gradebook) as database:
            database.execute("create table grade (student text, score integer)")
            database.execute("insert into grade values ('ada', 1)")
        database.close()
        for path in (self.root, self.shared, *self.root.rglob("*")):
            if self.uid is not None:
                os.chown(path, self.uid, self.uid)
        self.before = self.state()
        self._listen()
        self.marker = f"marker-{self.root.name}"
        self.victim = subprocess.Popen(
            as_account(self.uid, ["sleep", "1000"]),
            env={"MARKER": self.marker, "PATH": os.environ["PATH"]},
        )

    def _listen(self) -> None:
        """Every kind of socket that a submission might reach. Each answers "pong"."""
        self.addresses: dict[str, Any] = {}
        for name, family, kind, address in (
            ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            ("socket", socket.AF_UNIX, socket.SOCK_STREAM, str(self.private / "socket")),
            ("datagrams", socket.AF_UNIX, socket.SOCK_DGRAM, str(self.private / "datagrams")),
            ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.root.name}"),
        ):
            one = socket.socket(family, kind)
            one.bind(address)
            if isinstance(address, str) and address[0] != "\0":
                os.chmod(address, 0o777)  # noqa: S103 - every account may connect
            self.addresses[name] = one.getsockname()
            if isinstance(self.addresses[name], bytes):
                self.addresses[name] = self.addresses[name].decode()
            if kind == socket.SOCK_STREAM:
                one.listen()
            self._sockets.append(one)
            threading.Thread(target=self._serve, args=(name, one), daemon=True).start()

    def _serve(self, name: str, one: socket.socket) -> None:
        with suppress(OSError):
            while True:
                if one.type == socket.SOCK_STREAM:
                    accepted, _ = one.accept()
                    accepted.sendall(b"pong")
                    accepted.close()
                else:
                    _, sender = one.recvfrom(100)
                    if sender:
                        one.sendto(b"pong", sender)
                self.reached.append(name)

    def state(self) -> dict[str, tuple[object, ...]]:
        """Content, mode, owner, time and attributes of everything outside the notebook's folder."""
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted(self.root.rglob("*")):
            if path.is_relative_to(self.folder) or path.is_socket():
                continue
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else sorted(os.listdir(path))
            if path == self.private:
                content = [name for name in os.listdir(path) if not (path / name).is_socket()]
            time = status.st_mtime_ns if path.is_file() else 0
            names = os.listxattr(path, follow_symlinks=False)
            found[str(path)] = (content, status.st_mode, status.st_uid, time, names)
        return found

    def targets(self) -> dict[str, Any]:
        """What the code of a submission is given to attack."""
        return {
            "gradebook": str(self.gradebook),
            "other": str(self.other),
            "course": str(self.directory),
            "exchange": str(self.exchange),
            "private": str(self.private),
            "shared": str(self.shared),
            "victim": self.victim.pid,
            "marker": self.marker,
            "secret": "secret-of-the-formgrader",
            "addresses": self.addresses,
        }

    def execute(self, cells: Sequence[str], mechanism: str, **order: Any) -> Result:
        """Execute a notebook as a formgrader does, whose environment contains a secret."""
        given = {
            "cells": list(cells),
            "folder": str(self.folder),
            "mechanism": mechanism,
            "inherited": str(self.gradebook),
            **order,
        }
        temporary = self.root / "tmp"
        temporary.mkdir(exist_ok=True)
        if self.uid is not None:
            os.chown(temporary, self.uid, self.uid)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "PYTHONPATH": str(ROOT),
            "JUPYTERHUB_API_TOKEN": "secret-of-the-formgrader",
        }
        command = [sys.executable, str(EXECUTE)]
        with (self.root / "log").open("wb") as log:
            done = subprocess.run(
                as_account(self.uid, command),
                input=json.dumps(given).encode(),
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.root,
                env=environment,
                timeout=240,
            )
        lines = done.stdout.splitlines()
        assert lines, (self.root / "log").read_text(errors="replace")
        shutil.rmtree(temporary)
        (self.root / "log").unlink()
        return Result(**json.loads(lines[-1]))

    def survivors(self) -> list[int]:
        """The processes that carry this course's marker, besides the victim."""
        found = []
        for name in os.listdir("/proc"):
            with suppress(OSError):
                if (
                    name.isdigit()
                    and self.marker.encode() in Path(f"/proc/{name}/cmdline").read_bytes()
                ):
                    found.append(int(name))
        return found

    def close(self) -> None:
        """End and remove everything."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.victim.kill()
        self.victim.wait()
        for pid in self.survivors():
            os.kill(pid, 9)
        shutil.rmtree(self.root)
        self.shared.unlink(missing_ok=True)
