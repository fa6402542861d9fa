"""Free ports, and the demo's processes: finding them by their mark, and ending them."""

import contextlib
import os
import socket
import urllib.error
import urllib.request

import psutil


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether this port of 127.0.0.1 is free."""
    with socket.socket() as wanted:
        wanted.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            wanted.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(url: str) -> bool:
    """Whether a GET gets a 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


def marked(mark: str) -> list[psutil.Process]:
    """Every process started for this demo, at any depth, except this one."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("DEMO_MARK") == mark:
                found.append(process)
    return found


def end_marked(mark: str, *, seconds: float = 5) -> None:
    """Terminate the marked processes, and kill those that have not ended after ``seconds``."""
    processes = marked(mark)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in {*alive, *marked(mark)}:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(marked(mark), timeout=seconds)
