"""Run the demo hub until Ctrl-C, from a state directory that the next run takes up again.

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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run by path, so that this needs no installation of its own

from examples.demo.offered import pages  # noqa: E402 - after the line above
from examples.demo.people import by_role  # noqa: E402
from examples.demo.processes import answers, end_marked, free_port, is_free  # noqa: E402

START_SECONDS = 90
STOP_SECONDS = 25


class DemoError(Exception):
    """The demo cannot run; the text says why, in one line."""


def main() -> int:
    """Run the demo; the exit code is 0 after Ctrl-C or SIGTERM, 1 when it could not run."""
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
            f"Port {port} of 127.0.0.1 is in use; take another with: make demo PORT={port + 1000}"
        )
    password = _password(state)
    hub = _start_hub(state, port, password, mark)
    try:
        if _wait_until_up(hub, port, state, stop):
            _say(_welcome(port, password, state))
            while not stop.wait(0.5):
                if hub.poll() is not None:
                    raise DemoError(f"JupyterHub has ended by itself; see {state / 'hub.log'}")
    finally:
        _stop_hub(hub, mark, stop)


def _state() -> Path:
    """The state directory, made for us alone."""
    state = Path(os.environ.get("DEMO_STATE") or ROOT / ".demo").resolve()
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"Cannot make {state}: {error.strerror}") from None
    return state


def _port() -> int:
    given = os.environ.get("PORT") or "8000"
    if not given.isascii() or not given.isdecimal() or not 0 < int(given) < 65536:
        raise DemoError(f"PORT={given} is not a port; write a number, such as PORT=9000")
    return int(given)


@contextmanager
def _alone(state: Path) -> Iterator[TextIO]:
    """Hold the state directory; DemoError when another demo does."""
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoError(f"A demo runs already from {state}; stop it first") from None
        yield lock


def _password(state: Path) -> str:
    """The demo's password, made once: others on this machine shall not guess it."""
    path = state / "password"
    if not path.exists():
        path.touch(mode=0o600)
    password = path.read_text().strip()
    if not password:
        password = f"demo-{secrets.token_hex(4)}"
        path.write_text(password + "\n")
    return password


def _start_hub(state: Path, port: int, password: str, mark: str) -> subprocess.Popen[bytes]:
    _say(f"Starting JupyterHub, its proxy and the services (log: {state / 'hub.log'}) ...")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTERHUB_", "CONFIGPROXY_", "JUPYTER_"))
    }
    environment = {
        "PYTHONPATH": str(ROOT),
        "DEMO_STATE": str(state),
        "DEMO_PASSWORD": password,
        "DEMO_MARK": mark,
        "DEMO_PORT": str(port),
        "DEMO_HUB_PORT": str(free_port()),
        "DEMO_PROXY_PORT": str(free_port()),
    }
    config = Path(__file__).with_name("jupyterhub_config.py")
    with (state / "hub.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own words, no shell
            [sys.executable, "-m", "jupyterhub", "--config", str(config)],
            cwd=state,
            env=inherited | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches this process alone, which then stops all in order.
            start_new_session=True,
        )


def _wait_until_up(
    hub: subprocess.Popen[bytes], port: int, state: Path, stop: threading.Event
) -> bool:
    """Wait for the Hub, then for each service, telling what is up. False: asked to stop."""
    base = f"http://127.0.0.1:{port}/"
    waiting = {"JupyterHub": "hub/api/"}
    waiting |= {path.strip("/"): f"{path}health" for path in pages(state).values()}
    deadline = time.monotonic() + START_SECONDS
    while waiting:
        if stop.wait(0.2):
            return False
        if hub.poll() is not None or time.monotonic() > deadline:
            what = "has ended" if hub.poll() is not None else f"is not up after {START_SECONDS} s"
            tail = (state / "hub.log").read_text(errors="replace").splitlines()[-15:]
            raise DemoError("\n".join([*tail, f"JupyterHub {what}; see {state / 'hub.log'}"]))
        for name in [name for name, path in waiting.items() if answers(base + path)]:
            del waiting[name]
            _say(f"  {name} is up")
    return True


def _welcome(port: int, password: str, state: Path) -> str:
    """The table of addresses and logins."""
    base = f"http://127.0.0.1:{port}/"
    addresses = {
        "JupyterHub": "",
        **pages(state),
        "Administration": "hub/admin",
    }
    lines = ["", *(f"  {what:<34}{base}{path}" for what, path in addresses.items()), ""]
    lines += [f"  {role:<34}{', '.join(logins)}" for role, logins in by_role()]
    lines += [f"  {'password of everybody':<34}{password}", "", "Ctrl-C ends it."]
    return "\n".join(lines)


def _stop_hub(hub: subprocess.Popen[bytes], mark: str, stop: threading.Event) -> None:
    """Take everything down: the Hub stops what it started, we end what is left.

    Asked to stop once more, or after STOP_SECONDS, we wait no longer and kill.
    """
    stop.clear()
    _say("\nStopping ...")
    hub.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    while hub.poll() is None and time.monotonic() < deadline and not stop.wait(0.1):
        pass
    hub.kill()
    hub.wait()
    end_marked(mark)
    _say("Everything has stopped.")


def _say(text: str) -> None:
    """Print a line at once; a terminal that was closed does not keep us from cleaning up."""
    with suppress(OSError):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
