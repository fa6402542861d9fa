"""Attacks by code in a formgrader's process, and by other processes of its account."""

import asyncio
import fcntl
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path

import aiohttp
import psutil
import pytest

from services.formgrader_proxy.courses_file.file import CoursesFile, load_courses
from services.formgrader_proxy.upstream import formgrader as module
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.upstream.keeper import cgroup
from services.formgrader_proxy.upstream.process.health import Patience
from services.formgrader_proxy.upstream.process.launch import LaunchSettings
from services.formgrader_proxy.upstream.supervisor import State
from tests.attacks.process.same_account import CONNECT, READ, attack, drop_capabilities
from tests.fakes.formgrader import BASE, DETACH, SERVER, do, running, until
from tests.paths import ROOT

#: A service with one formgrader, the real one or that of the tests. Prints the process ids of the
#: service, keeper and formgrader, then that of a process that detached itself, or the token.
SERVICE = """
import asyncio, json, os, sys
from pathlib import Path
import psutil
from common.prctl import hide_process
from services.formgrader_proxy.upstream.process.launch import LaunchSettings
from services.formgrader_proxy.upstream.supervisor import Supervisor
from tests.fakes.formgrader import BASE, DETACH, do, running, until
directory, hidden, real = Path(sys.argv[1]), sys.argv[2] == "True", sys.argv[3] == "True"
if hidden:
    hide_process()
async def serve(supervisor):
    keeper, formgrader = psutil.Process().children(recursive=True)
    assert formgrader.ppid() == keeper.pid
    known = supervisor.ready().token if real else await do(supervisor, DETACH)
    print(json.dumps([os.getpid(), keeper.pid, formgrader.pid, known]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
async def main():
    if not real:
        async with running(directory) as supervisor:
            return await serve(supervisor)
    supervisor = Supervisor(LaunchSettings("c1", directory, BASE))
    await until(supervisor.ready, 60)
    await serve(supervisor)
    await supervisor.stop()
asyncio.run(main())
"""


class Service:
    """A service in its own process, with a formgrader.

    ``pids`` are its own, that of the keeper, and that of the formgrader. ``detached`` is a process
    that detached itself from the formgrader; the real one has a ``token`` instead.
    """

    def __init__(self, directory: Path, *, hidden: bool = True, real: bool = False) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, str(directory), str(hidden), str(real)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(directory)},
            preexec_fn=drop_capabilities,
        )
        assert self.process.stdout is not None
        *pids, known = json.loads(self.process.stdout.readline())
        self.pids: list[int] = pids
        self.token = str(known)
        self.detached = 0 if real else int(known)

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=30)


async def ended(*pids: int, seconds: float = 20) -> None:
    """Wait until these processes have ended; killed if they do not."""
    try:
        await until(lambda: not any(map(alive, pids)), seconds)
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_socket_with_a_name_can_be_replaced(tmp_path: Path) -> None:
    """The hole: in a directory of the account, another of its processes takes the socket over."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as real:
        real.bind(str(path))
        real.listen()
        take_over = (
            "import os, socket, sys; os.unlink(sys.argv[1]); s = socket.socket(socket.AF_UNIX);"
            "s.bind(sys.argv[1]); s.listen(); print('mine')"
        )
        assert attack(take_over, path) == "mine"
        with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
            client.connect(str(path))  # the impostor has ended by now; the real one gets nothing


@pytest.mark.attack("process-socket-takeover")
def test_the_socket_cannot_be_reached_or_replaced(tmp_path: Path) -> None:
    """By another process of the account. Without the hidden service it can be reached."""
    with Service(tmp_path, hidden=False) as shown:
        assert f"/proc/{shown.pids[0]}/fd/" in attack(CONNECT, shown.pids[0])
    with Service(tmp_path) as service:
        for pid in service.pids:
            assert attack(CONNECT, pid) == ""


@pytest.mark.attack("process-socket-inherited")
async def test_no_other_program_inherits_the_socket(tmp_path: Path) -> None:
    """Kernels and commands that a formgrader starts have only their own descriptors."""
    look = (
        "import os, stat; print([n for n in range(3, 200) if os.path.exists(f'/proc/self/fd/{n}')])"
    )
    async with running(tmp_path) as supervisor:
        # close_fds=False: only what is marked for it is closed.
        command = f"[sys.executable, '-c', {look!r}]"
        answer = await do(
            supervisor,
            f"answer = subprocess.run({command}, close_fds=False, capture_output=True).stdout"
            ".decode()",
        )
        assert answer.strip() == "[]"


#: How a formgrader can stop responding, and what is reported.
STUCK = {
    "stopped": ("os.kill(os.getpid(), signal.SIGSTOP)", "its process was stopped"),
    "endless loop": ("while True: pass", "nothing to do"),
    "closed socket": (
        """
for name in os.listdir("/proc/self/fd"):
    try:
        with socket.socket(fileno=os.dup(int(name))) as one:
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                os.close(int(name))
    except OSError:
        pass
""",
        "no longer accepted connections",
    ),
    "zombie with threads": (
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)",
        "its process was stopped",
    ),
    "ended, and its keeper stopped": (
        "os.kill(os.getppid(), signal.SIGSTOP); os._exit(1)",
        "no longer accepted connections",
    ),
}
SHORT = Patience(unused=3, waiting=600, working=600, interval=0.1, probe=1)


@pytest.mark.attack("process-stuck")
@pytest.mark.parametrize(("code", "why"), STUCK.values(), ids=STUCK)
async def test_a_stuck_formgrader_is_replaced(tmp_path: Path, code: str, why: str) -> None:
    """It is ended within ten seconds, the reason is shown, and the next one works."""
    async with running(tmp_path, patience=SHORT) as supervisor:
        before = {one.pid for one in psutil.Process().children(recursive=True)}
        with suppress(aiohttp.ClientError):  # the connection may break
            await do(supervisor, code, seconds=0.5)
        await until(lambda: supervisor.state is State.PAUSING)
        assert why in str(supervisor.trouble)
        await ended(*before, seconds=10)
        await until(supervisor.ready)
        assert await do(supervisor, "answer = 7") == 7


def bare(directory: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A process without a keeper, and the process that detached itself from it."""
    code = f"import os, signal, socket, time\nlistener = socket.socket()\n{DETACH}"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}\nprint(answer, flush=True)\ntime.sleep(600)"],
        stdout=subprocess.PIPE,
        start_new_session=True,
        cwd=directory,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


async def test_a_detached_process_survives_without_a_keeper(tmp_path: Path) -> None:
    """The hole: it outlives the process group, and holds the pipe of the log open."""
    process, detached = bare(tmp_path)
    assert process.stdout is not None
    with process.stdout:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert alive(detached)
        assert select.select([process.stdout], [], [], 0) == ([], [], [])  # no end of file
        os.kill(detached, signal.SIGKILL)
        assert process.stdout.read() == b""


@pytest.mark.attack("process-survivor")
@pytest.mark.parametrize(
    ("end", "group"),
    # Only a control group covers the last one (docs/formgrader.md).
    [*product(["stopped", "killed", "exited"], [True, False]), ("keeper killed", True)],
)
async def test_nothing_survives_a_formgrader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, group: bool
) -> None:
    """However it ends, and although the process left its session and ignores signals."""
    if not group:
        monkeypatch.setattr(cgroup, "create", lambda: None)
    elif not (made := cgroup.create()):
        pytest.skip("this process may not make a control group (cgroup v2)")
    else:
        cgroup.remove(made)
    async with running(tmp_path) as supervisor:
        detached = await do(supervisor, DETACH)
        assert alive(detached)
        if end == "stopped":
            async with asyncio.timeout(10):
                await supervisor.stop()
        else:
            victim = "os.getppid()" if end == "keeper killed" else "os.getpid()"
            code = "os._exit(0)" if end == "exited" else f"os.kill({victim}, signal.SIGKILL)"
            with suppress(aiohttp.ClientError):  # it breaks, or the response was quicker
                await do(supervisor, code)
        await ended(detached)


@pytest.mark.attack("process-survivor")
@pytest.mark.parametrize("mode", ["plain", "new session"])
@pytest.mark.parametrize("group", [True, False], ids=["control group", "keeper alone"])
async def test_a_process_that_only_forks_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, group: bool
) -> None:
    """Each lives for a fraction of a millisecond and is a child of the keeper afterwards."""
    if not group:
        monkeypatch.setattr(cgroup, "create", lambda: None)
    step = "os.setsid()" if mode == "new session" else "pass"
    # They share a file description, and with it the lock.
    chain = f"""
import fcntl, time
end = time.monotonic() + 60  # in case the test fails
lock = open("lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
if os.fork() == 0:
    while time.monotonic() < end:
        {step}
        if os.fork():
            os._exit(0)
    os._exit(0)
lock.close()
"""
    async with running(tmp_path) as supervisor:
        await do(supervisor, chain)
        with (tmp_path / "lock").open("rb") as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            async with asyncio.timeout(10):
                await supervisor.stop()
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.attack("process-survivor")
async def test_nothing_survives_a_killed_service(tmp_path: Path) -> None:
    """It could not stop anything itself. The private directory is removed as well."""
    with Service(tmp_path) as service:
        formgrader = psutil.Process(service.pids[2])
        private = Path(formgrader.environ()["JUPYTER_RUNTIME_DIR"]).parent
        assert private.exists()
        service.process.kill()
        await ended(*service.pids, service.detached)
        assert not private.exists()


def course(name: str, directory: Path) -> str:
    """A table of the courses file."""
    return (
        f'[[course]]\nid = "{name}"\ntitle = "{name}"\ndirectory = "{directory}"\n'
        'graders = ["graders"]\n'
    )


@pytest.mark.attack("process-lock")
async def test_a_formgrader_that_does_not_end_delays_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its course is removed; the list of courses and the other course continue at once."""
    command = (sys.executable, "-c", SERVER)
    monkeypatch.setattr(module, "LaunchSettings", partial(LaunchSettings, command=command))
    path = tmp_path / "courses.toml"
    path.write_text(course("one", tmp_path) + course("two", tmp_path))
    file = CoursesFile(path, load_courses)
    formgraders = Formgraders(file, lambda _: BASE, lambda *_: None)
    await formgraders.replace(file.courses)
    try:
        one, two = formgraders.all()
        await until(lambda: one.ready() and two.ready())
        detached = await do(one, DETACH)
        await do(one, "os.kill(os.getppid(), signal.SIGSTOP)")  # the keeper cannot end it
        path.write_text(course("two", tmp_path))
        async with asyncio.timeout(3):
            await formgraders.refresh()
            await formgraders.refresh()
            assert [formgrader.course.id for formgrader in formgraders.all()] == ["two"]
            assert await do(two, "answer = 7") == 7
        await ended(detached)
    finally:
        async with asyncio.timeout(12):
            await formgraders.close()


@pytest.mark.attack("process-log-flood")
async def test_gigabytes_of_output_do_no_harm(tmp_path: Path) -> None:
    """The formgrader does not wait, and the service keeps a small part."""
    async with running(tmp_path) as supervisor:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        lines = "for _ in range(400): os.write(1, b'spam and eggs\\n' * 75_000)"
        one_line = "for _ in range(600): os.write(1, b'x' * 1_000_000)"
        await do(supervisor, f"{lines}\n{one_line}\nprint(flush=True)\nprint('end', flush=True)")
        await until(lambda: "end" in supervisor.log_tail())
        tail = supervisor.log_tail()
        assert len(tail) <= 500
        assert max(map(len, tail)) < 2100
        assert any("lines omitted" in line for line in tail)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


@pytest.mark.attack("process-log-characters")
async def test_control_characters_in_the_log_are_escaped(tmp_path: Path) -> None:
    """Neither a terminal nor a page that shows the log obeys them."""
    async with running(tmp_path) as supervisor:
        await do(supervisor, r"os.write(1, b'\x1b[2J\x1b]0;x\x07\r<b>\xe2\x80\xae\n')")
        await until(lambda: any("<b>" in line for line in supervisor.log_tail()))
        (line,) = [line for line in supervisor.log_tail() if "<b>" in line]
        assert line == r"\x1b[2J\x1b]0;x\x07\r<b>\u202e"


@pytest.mark.attack("process-token")
def test_the_token_is_nowhere_to_be_read(tmp_path: Path) -> None:
    """Of the real formgrader, by another process of its account."""
    pytest.importorskip("nbgrader")
    with Service(tmp_path, real=True) as service:
        _, *pids = service.pids
        keeper, formgrader = map(psutil.Process, pids)
        assert len(service.token) > 20
        for process in (keeper, formgrader):
            assert attack(READ, process.pid) == ""
            assert service.token not in " ".join(process.cmdline())
            with suppress(psutil.AccessDenied):  # only root can
                assert service.token not in " ".join(process.environ().values())
        files = list(tmp_path.rglob("*"))
        assert any(file.name.startswith("formgrader-") for file in files)  # its private directory
        for file in files:
            assert "cookie_secret" not in file.name
            assert not file.is_file() or service.token.encode() not in file.read_bytes()


def test_a_process_that_is_not_hidden_can_be_read(tmp_path: Path) -> None:
    """The hole: by any other process of its account."""
    with Service(tmp_path, hidden=False) as service:
        assert attack(READ, service.pids[0]) == "environ mem maps auxv descriptors trace"
