"""Starting sandboxes without a kernel: lifetimes, plans and refusals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.formgrader_proxy.sandbox import launch
from services.formgrader_proxy.sandbox.launch import SandboxUnavailable
from services.formgrader_proxy.sandbox.mechanisms import available
from services.formgrader_proxy.sandbox.plan import Plan
from services.formgrader_proxy.sandbox.settings import Limits, Mechanism, SandboxSettings

WAITS = "import os, sys, time; open('ready', 'w').close(); time.sleep(300)"


@pytest.fixture(params=[Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK])
def mechanism(request: pytest.FixtureRequest) -> Mechanism:
    """Each mechanism that works here."""
    found: Mechanism = request.param
    if reason := available().reasons[found]:
        pytest.skip(reason)
    return found


@contextmanager
def planned(mechanism: Mechanism, folder: Path, code: str, **more: object) -> Iterator[Plan]:
    """A plan for some Python code. Its private directory is removed afterwards."""
    run = launch.make_run()
    command = [sys.executable, "-I", "-S", "-c", code]
    try:
        settings = SandboxSettings(mechanism, **more)  # type: ignore[arg-type]
        yield launch.make_plan(run, settings, command, folder, environment={"GIVEN": "yes"})
    finally:
        launch.remove_run(run)


def wait_for(condition: "object", seconds: float = 20) -> None:
    """Wait until a function returns something true."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_outcome_of_a_command(mechanism: Mechanism, tmp_path: Path) -> None:
    """Its exit code, what it printed, and its files; tmp_path is below /tmp."""
    code = "import os, sys; open('made', 'w').close(); print(os.environ['GIVEN']); sys.exit(3)"
    with planned(mechanism, tmp_path, code) as plan:
        process = launch.start(plan)
        assert process.wait(20) == 3
        found = launch.read_outcome(plan)
        assert process.stdin
        process.stdin.close()
    assert found == {
        "limit": None,
        "message": None,
        "removed": [],
        "exit_code": 3,
        "output": "yes\n",
    }
    assert os.listdir(tmp_path) == ["made"]


START = "import mmap, os, signal, sys, time\n"
EXCEED = {
    "memory": "kept = bytearray(os.urandom(1024)) * 2**17; time.sleep(300)",
    "cpu": "while True: pass",
    "processes": "children = [os.fork() or time.sleep(300) for _ in range(30)]; time.sleep(300)",
    "files": "[open(str(n), 'w').close() for n in range(100)]; time.sleep(300)",
    "disk": """
kept = [open(str(n), "wb", buffering=0) for n in range(4)]
for n in range(4):
    os.unlink(str(n))
    kept[n].write(bytes(2**22))
time.sleep(300)
""",
    "shared memory": "m = mmap.mmap(-1, 2**27); time.sleep(300)",
    "hidden files": "import ctypes; ctypes.CDLL(None).prctl(4, 0); time.sleep(300)",
}
SMALL = Limits(memory=100 * 2**20, cpu_seconds=1, processes=20, files=50, disk=8 * 2**20)


@pytest.mark.parametrize("name", EXCEED)
def test_a_limit_ends_the_command(mechanism: Mechanism, tmp_path: Path, name: str) -> None:
    """The outcome names the limit, in a sentence for people."""
    if name == "hidden files" and os.geteuid() == 0:
        pytest.skip("root sees all files")
    limit = {"shared memory": "memory", "hidden files": "files"}.get(name, name)
    with planned(mechanism, tmp_path, START + EXCEED[name], limits=SMALL) as plan:
        process = launch.start(plan)
        assert process.wait(30) != 0
        found = launch.read_outcome(plan)
        assert process.stdin
        process.stdin.close()
    assert found
    assert found["limit"] == limit, found
    assert found["message"].endswith("It was stopped.")
    assert os.listdir(tmp_path) == []


def test_a_plan_survives_its_transport(mechanism: Mechanism, tmp_path: Path) -> None:
    """The supervisor reads what was written."""
    with planned(mechanism, tmp_path, "", limits=Limits(files=7)) as plan:
        assert Plan.from_line(plan.to_line()) == plan


def test_the_end_of_the_formgrader_ends_the_sandbox(mechanism: Mechanism, tmp_path: Path) -> None:
    """Also when it is killed; the private directory is removed as well."""
    with planned(mechanism, tmp_path, WAITS) as plan:
        process = launch.start(plan)
        wait_for((tmp_path / "ready").exists)
        assert process.stdin
        process.stdin.close()  # as the system does when the formgrader ends
        process.wait(20)
        assert not Path(plan.run).exists()


def test_the_end_of_the_supervisor_ends_the_command(mechanism: Mechanism, tmp_path: Path) -> None:
    """Nothing runs without the process that watches it."""
    with planned(mechanism, tmp_path, f"import os; print(os.getpid()); {WAITS}") as plan:
        process = launch.start(plan)
        wait_for((tmp_path / "ready").exists)
        below = subprocess.run(
            ["pgrep", "--parent", str(process.pid)], capture_output=True, text=True, check=True
        )
        process.kill()
        process.wait(20)
        assert process.stdin
        process.stdin.close()
        wait_for(lambda: not Path(f"/proc/{int(below.stdout)}").exists())


def test_a_process_that_nobody_waited_for_is_not_hiding(
    mechanism: Mechanism, tmp_path: Path
) -> None:
    """Its files cannot be listed any more, but it has none."""
    code = "import os, time; os.fork() or os._exit(0); time.sleep(2); print('done')"
    with planned(mechanism, tmp_path, code) as plan:
        process = launch.start(plan)
        assert process.wait(20) == 0
        found = launch.read_outcome(plan)
        assert process.stdin
        process.stdin.close()
    assert found
    assert (found["limit"], found["output"]) == (None, "done\n")


def test_a_signal_interrupts_the_command(mechanism: Mechanism, tmp_path: Path) -> None:
    """As an interrupted cell."""
    code = (
        "import time\ntry:\n    open('ready', 'w').close()\n    time.sleep(300)\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    with planned(mechanism, tmp_path, code) as plan:
        process = launch.start(plan)
        wait_for((tmp_path / "ready").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        found = launch.read_outcome(plan)
        assert process.stdin
        process.stdin.close()
    assert found
    assert found["output"] == "interrupted\n"


def test_a_command_that_cannot_start_says_why(mechanism: Mechanism, tmp_path: Path) -> None:
    """The reason is in the output."""
    run = launch.make_run()
    plan = launch.make_plan(
        run, SandboxSettings(mechanism), ["/nonexistent/kernel"], tmp_path, environment={}
    )
    process = launch.start(plan)
    assert process.wait(20) != 0
    found = launch.read_outcome(plan)
    assert process.stdin
    process.stdin.close()
    launch.remove_run(run)
    assert found
    assert "No such file" in found["output"]


def test_a_folder_inside_the_software_is_refused(mechanism: Mechanism) -> None:
    """All submissions could read the others."""
    inside = Path(sys.base_prefix, "lib")
    with (
        pytest.raises(SandboxUnavailable, match="Move the course"),
        planned(mechanism, inside, ""),
    ):
        pass


@pytest.mark.attack("sandbox-exchange-in-software")
@pytest.mark.parametrize("hidden", [True, False])
def test_an_exchange_inside_the_software_is_closed(
    mechanism: Mechanism, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: bool
) -> None:
    """Not so if it is not known to be private, which shows that the attempt works."""
    prefix, folder = tmp_path / "prefix", tmp_path / "ps1"
    exchange = prefix / "share" / "exchange" / "inbound"
    for path in (exchange, prefix / "share" / "jupyter", folder):
        path.mkdir(parents=True)
    (exchange / "eve+ps1").write_text("work of eve")
    (prefix / "share" / "jupyter" / "kernel.json").write_text("software")
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(sys, "executable", os.path.realpath(sys.executable))
    code = f"""
for path in ({str(exchange / "eve+ps1")!r}, {str(prefix / "share/jupyter/kernel.json")!r}):
    try:
        print(open(path).read())
    except OSError:
        print("closed")
"""
    private = [prefix / "share" / "exchange"] if hidden else []
    run = launch.make_run()
    plan = launch.make_plan(
        run,
        SandboxSettings(mechanism),
        [sys.executable, "-I", "-S", "-c", code],
        folder,
        environment={},
        private=private,
    )
    monkeypatch.undo()  # the supervisor needs its own environment
    process = launch.start(plan)
    process.wait(20)
    found = launch.read_outcome(plan)
    assert process.stdin
    process.stdin.close()
    launch.remove_run(run)
    assert found
    assert found["output"] == ("closed" if hidden else "work of eve") + "\nsoftware\n"


def test_a_long_path_of_temporary_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of a unix socket is short."""
    long = tmp_path / ("long" * 25)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(SandboxUnavailable, match="TMPDIR"):
        launch.make_run()
    assert os.listdir(long) == []


def test_the_environment_is_cleared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only what is listed passes, and what the kernel's specification sets."""
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("LC_NUMERIC", "C")
    with planned(Mechanism.LANDLOCK, tmp_path, "") as plan:
        assert "secret" not in plan.environment.values()
        assert plan.environment["LC_NUMERIC"] == "C"
        assert plan.environment["GIVEN"] == "yes"
        assert set(plan.environment) <= {
            *launch.INHERITED,
            *("HOME", "TMPDIR", "USER", "LOGNAME", "PYTHONDONTWRITEBYTECODE", "GIVEN"),
            *(name for name in os.environ if name.startswith("LC_")),
        }
