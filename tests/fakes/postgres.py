"""A private PostgreSQL server for tests, from the machine's own binaries.

It listens only on a Unix socket in a temporary directory, so it cannot collide with another server
and needs no password. PostgreSQL refuses to run as root; for root it runs as another user. Import
the fixtures into a test file with ``from tests.fakes.postgres import postgres, postgres_url``.
"""

import itertools
import os
import pwd
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

_INSTALLED = Path("/usr/lib/postgresql")  # Debian keeps the server's programs out of PATH


class Postgres:
    """One server. Tests of an outage stop, start and restart it."""

    def __init__(self, binaries: Path, directory: Path, user: str | None) -> None:
        self._binaries = binaries
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.directory = directory
        self.name = user or pwd.getpwuid(os.getuid()).pw_name

    def __enter__(self) -> Self:
        self._run(
            *("initdb", "--pgdata", str(self.directory / "data"), "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", "--locale=C.UTF-8"),
        )
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until connections are accepted (30 s at most)."""
        assert self._process is None, "the server is already running"
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._binaries / "postgres",
                    *("-D", self.directory / "data", "-k", self.directory, "-F"),
                    *("-c", "listen_addresses=", "-c", "max_connections=50"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=_environment(),
                start_new_session=True,
                **self._as_user(),
            )
        deadline = time.monotonic() + 30
        while self._ask("pg_isready", "--quiet").returncode:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once: connections break, but nothing committed is lost."""
        process, self._process = self._process, None
        if process is None:
            return
        self._run("pg_ctl", "stop", "-D", str(self.directory / "data"), "-m", "immediate")
        process.wait(30)

    def kill(self) -> None:
        """End every process of the server without warning (SIGKILL), as a crash does."""
        process, self._process = self._process, None
        assert process is not None, "the server is not running"
        processes = [*psutil.Process(process.pid).children(recursive=True)]
        process.kill()
        for one in processes:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait(30)
        psutil.wait_procs(processes, timeout=30)

    def kill_a_connection(self, chosen: random.Random) -> None:
        """Kill the process of one connection; the server then restarts all of them by itself."""
        assert self._process is not None, "the server is not running"
        serving = [
            one
            for one in psutil.Process(self._process.pid).children()
            if "test_" in "".join(one.cmdline())  # the databases of :meth:`database`
        ]
        if serving:
            chosen.choice(serving).kill()

    def restart(self) -> None:
        """Stop, then start."""
        self.stop()
        self.start()

    def database(self) -> str:
        """Create an empty database; returns its URL as an administrator would write it."""
        name = f"test_{next(self._numbers)}"
        self._run("createdb", "--host", str(self.directory), "--username", self.name, name)
        return f"postgresql://{self.name}@/{name}?host={self.directory}"

    def copy(self, url: str) -> str:
        """Copy a database to which nothing is connected; returns the URL of the copy."""
        name, copy = url.split("/")[3].partition("?")[0], f"test_{next(self._numbers)}"
        at_socket = ("--host", str(self.directory), "--username", self.name)
        self._run("createdb", *at_socket, "--template", name, copy)
        return url.replace(f"/{name}?", f"/{copy}?")

    def log(self) -> str:
        """What the server has written."""
        return (self.directory / "log").read_text(errors="replace")

    def _ask(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                self._binaries / program,
                *("--host", self.directory, "--username", self.name, "--dbname", "postgres"),
                *arguments,
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=_environment(),
        )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=_environment(),
            **self._as_user(),
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        entry = pwd.getpwnam(self._user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    """The environment without PGHOST and the like, which would lead to another server."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {
        "LC_ALL": "C.UTF-8"
    }


def _binaries() -> Path | None:
    """The directory of the newest server installed here; None without one."""
    found = sorted(_INSTALLED.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


def _other_user() -> str | None:
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


@contextmanager
def temporary_postgres() -> Iterator[Postgres | None]:
    """A running server; None if PostgreSQL is not installed."""
    binaries = _binaries()
    if binaries is None:
        yield None
        return
    user = _other_user() if os.getuid() == 0 else None
    # Outside pytest's directory, which other users may not enter; and a socket's path must be
    # short.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as directory:
        if user is not None:
            shutil.chown(directory, user)
        with Postgres(binaries, Path(directory), user) as server:
            yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server, shared by all tests; each creates its own database."""
    with temporary_postgres() as server:
        if server is None:
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The URL of an empty database."""
    return postgres.database()
