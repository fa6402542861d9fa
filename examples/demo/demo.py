"""Runs the demo hub until Ctrl-C. The state directory is kept for the next run.

Environment: PORT (8000), DEMO_STATE (.demo in this checkout).
"""

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, TextIO

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # so that the demo runs without being installed

from examples.demo.people import by_role  # noqa: E402 - after the line above
from examples.demo.preparation import prepare  # noqa: E402
from examples.demo.processes import end_marked, free_port, is_free, responds  # noqa: E402
from examples.demo.service_options import PAGES, health  # noqa: E402

START_SECONDS = 300
#: The Hub stops its proxy first, and then repeats requests to it for half a minute.
STOP_SECONDS = 10


class DemoError(Exception):
    """The demo cannot run; the message says why in one line."""


class Passwords(NamedTuple):
    """The password of all students, and that of the admin, the instructor and the graders."""

    students: str
    staff: str


def main() -> int:
    """Run the demo. :returns: 0 after Ctrl-C or SIGTERM, 1 if it cannot run"""
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: stop.set())
    try:
        state = _state()
        with _alone(state):
            _run(state, _port(), stop)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(state: Path, port: int, stop: threading.Event) -> None:
    mark = str(state)
    end_marked(mark)  # left over from a demo that was killed
    if not is_free(port):
        raise DemoError(
            f"Port {port} of 127.0.0.1 is in use; choose another with make demo PORT={port + 1000}"
        )
    passwords = Passwords(
        _password(state, "password", "demo"), _password(state, "staff_password", "staff")
    )
    environment = _environment(state, port, passwords, mark)
    hub: subprocess.Popen[bytes] | None = None
    try:
        tasks = list(prepare(state, environment))
        for task in tasks:
            _say(f"Creating {task.name} (first run only) ...")
        if not _wait_for({task.name: task.done for task in tasks if task.needed_at_start}, stop):
            return
        _say(f"Starting JupyterHub, its proxy and the services (log: {state / 'hub.log'}) ...")
        hub = _start_hub(state, environment)
        parts = _parts(hub, port, state)
        parts |= {task.name: task.done for task in tasks if not task.needed_at_start}
        if not _wait_for(parts, stop):
            return
        _say(_welcome(port, passwords))
        while not stop.wait(0.5):
            _check_running(hub, state)
    finally:
        _stop(hub, mark, stop)


def _state() -> Path:
    """Return the state directory; create it with access for this account only."""
    state = Path(os.environ.get("DEMO_STATE") or ROOT / ".demo").resolve()
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"Cannot create {state}: {error.strerror}") from None
    return state


def _port() -> int:
    given = os.environ.get("PORT") or "8000"
    if not given.isascii() or not given.isdecimal() or not 0 < int(given) < 65536:
        raise DemoError(f"PORT={given} is not a valid port; use a number such as PORT=9000")
    return int(given)


@contextmanager
def _alone(state: Path) -> Iterator[TextIO]:
    """Lock the state directory. :raises DemoError: another demo uses it"""
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoError(f"Another demo is running in {state}; stop it first") from None
        yield lock


def _password(state: Path, name: str, start: str) -> str:
    """Return a password, generated once so that other users here cannot guess it."""
    path = state / name
    if not path.exists():
        path.touch(mode=0o600)
    password = path.read_text().strip()
    if not password:
        password = f"{start}-{secrets.token_hex(4)}"
        path.write_text(password + "\n")
    return password


def _environment(state: Path, port: int, passwords: Passwords, mark: str) -> dict[str, str]:
    """Return the environment of all processes of the demo."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTERHUB_", "CONFIGPROXY_", "JUPYTER_", "PYTHON"))
    }
    programs = Path(sys.executable).parent  # nbgrader starts its programs by name
    return inherited | {
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(ROOT),
        "DEMO_STATE": str(state),
        "DEMO_PASSWORD": passwords.students,
        "DEMO_STAFF_PASSWORD": passwords.staff,
        "DEMO_MARK": mark,
        "DEMO_PORT": str(port),
        "DEMO_HUB_PORT": str(free_port()),
        "DEMO_PROXY_PORT": str(free_port()),
    }


def _start_hub(state: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    config = Path(__file__).with_name("jupyterhub_config.py")
    with (state / "hub.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
            [sys.executable, "-m", "jupyterhub", "--config", str(config)],
            cwd=state,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Only this process receives Ctrl-C; it then stops the others in order.
            start_new_session=True,
        )


def _parts(hub: subprocess.Popen[bytes], port: int, state: Path) -> dict[str, Callable[[], bool]]:
    """Return a function for the Hub and each service that checks whether it is ready."""
    base = f"http://127.0.0.1:{port}/"

    def hub_is_up() -> bool:
        _check_running(hub, state)
        return responds(f"{base}hub/api/")

    services = {name: partial(responds, base + path) for name, path in health().items()}
    return {"JupyterHub": hub_is_up, **services}


def _check_running(hub: subprocess.Popen[bytes], state: Path) -> None:
    """Check that the Hub runs. :raises DemoError: it has exited; with its last log lines"""
    if hub.poll() is not None:
        tail = (state / "hub.log").read_text(errors="replace").splitlines()[-15:]
        raise DemoError("\n".join([*tail, f"JupyterHub has exited; see {state / 'hub.log'}"]))


def _wait_for(parts: dict[str, Callable[[], bool]], stop: threading.Event) -> bool:
    """Wait for each part and print when it is ready. :returns: False if stop was requested"""
    waiting = dict(parts)
    deadline = time.monotonic() + START_SECONDS
    while waiting:
        if stop.wait(0.2):
            return False
        for name, ready in parts.items():
            try:
                if name in waiting and ready():
                    del waiting[name]
                    _say(f"  {name}: ready")
            except RuntimeError as error:
                raise DemoError(str(error)) from None
        if waiting and time.monotonic() > deadline:
            raise DemoError(f"Not ready after {START_SECONDS} s: {', '.join(waiting)}")
    return True


def _welcome(port: int, passwords: Passwords) -> str:
    """Return the table of addresses and logins."""
    base = f"http://127.0.0.1:{port}/"
    addresses = {
        "JupyterHub": "",
        **PAGES,
        "Administration": "hub/admin",
    }
    lines = ["", *(f"  {what:<34}{base}{path}" for what, path in addresses.items()), ""]
    lines += [f"  {role:<34}{', '.join(logins)}" for role, logins in by_role()]
    lines += ["", f"  {'password of students':<34}{passwords.students}"]
    lines += [
        f"  {'password of all other users':<34}{passwords.staff}",
        "",
        "Press Ctrl-C to stop.",
    ]
    return "\n".join(lines)


def _stop(hub: subprocess.Popen[bytes] | None, mark: str, stop: threading.Event) -> None:
    """Stop everything: the Hub stops what it started, and remaining processes are ended.

    After STOP_SECONDS, or a second Ctrl-C, processes are killed.
    """
    stop.clear()
    _say("\nStopping ...")
    if hub is not None:
        hub.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while hub.poll() is None and time.monotonic() < deadline and not stop.wait(0.1):
            pass
        hub.kill()
        hub.wait()
    end_marked(mark)
    _say("Everything has stopped.")


def _say(text: str) -> None:
    """Print a line immediately; ignore a closed terminal, so that cleanup continues."""
    with suppress(OSError):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
