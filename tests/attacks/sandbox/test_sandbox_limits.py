"""Code of a submission that uses more than its limits, in real kernels."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.formgrader_proxy.sandbox.mechanisms import available
from services.formgrader_proxy.sandbox.settings import MIB, Mechanism
from tests.attacks.sandbox.attempts import FIRST
from tests.attacks.sandbox.course import ORDINARY, Course, Result, why_not

#: One place for each mechanism, and root and another account once each.
PLACES = {
    "bubblewrap": ("bubblewrap", None),
    "landlock, ordinary account": ("landlock", ORDINARY),
}
LIMITS = {
    "memory": 400 * MIB,
    "cpu_seconds": 20,
    "processes": 60,
    "files": 300,
    "disk": 30 * MIB,
}
#: Each never ends by itself.
EXCEED = {
    "processes": """
end = time.time() + 120  # in case the test fails
while time.time() < end:
    try:
        os.fork()
    except OSError:
        pass
""",
    "hopping processes": """
end = time.time() + 120  # in case the test fails
def hop():
    while time.time() < end:
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            pass
for _ in range(100):
    if not os.fork():
        hop()
time.sleep(1000)
""",
    "a large file": """
with open("large", "wb") as file:
    while True:
        file.write(bytes(2**20)); file.flush()
""",
    "files without a name": """
kept = []
while True:
    kept.append(open("none", "wb")); os.unlink("none")
    kept[-1].write(bytes(2**20)); kept[-1].flush()
""",
    "a mapped file without a name": """
import mmap
maps = []
while True:
    with open("none", "w+b") as file:
        file.truncate(2**22)
        maps.append(mmap.mmap(file.fileno(), 2**22))
    os.unlink("none")
    maps[-1].write(bytes(2**22)); maps[-1].flush(); maps[-1].madvise(mmap.MADV_DONTNEED)
""",
    "temporary files": """
import tempfile
while True:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(bytes(2**20))
""",
    "many files": """
number = 0
while True:
    open(f"file{number}", "w").close(); number += 1
""",
    "deep folders": """
while True:
    os.mkdir("deep"); os.chdir("deep")
""",
    "folders with a long path": """
for _ in range(20):
    os.mkdir("d" * 255); os.chdir("d" * 255)
number = 0
while True:
    with open(f"large{number}", "wb") as file:
        file.write(bytes(2**22))
    number = (number + 1) % 40
    time.sleep(0.05)
""",
    "a closed folder of its own": """
for number in range(1000):
    open(f"file{number}", "w").close()
os.chmod(".", 0)
while True:
    pass
""",
    "files that wait in sockets": """
kept = []
while True:
    one, two = socket.socketpair()
    with open("none", "wb") as file:
        os.unlink("none")
        file.write(bytes(2**20)); file.flush()
        socket.send_fds(one, [b"x"], [file.fileno()])
    kept += [one, two]
    time.sleep(0.2)
""",
    "hiding in turns": """
libc.prctl(4, 0)
kept = []
if not os.fork():
    while True:
        kept.append(open("none", "wb")); os.unlink("none")
        kept[-1].write(bytes(2**20)); kept[-1].flush()
        time.sleep(0.3)
        if os.fork():
            os._exit(0)
libc.prctl(4, 1)
time.sleep(1000)
""",
    "memory in sockets": """
kept = []
for _ in range(8):
    if not os.fork():
        for _ in range(400):
            pair = socket.socketpair()
            for one in pair:
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)
                try:
                    while True:
                        one.send(bytes(2**16))
                except BlockingIOError:
                    pass
            kept.append(pair)
        time.sleep(1000)
    time.sleep(0.05)
time.sleep(1000)
""",
    "a closed folder": """
os.mkdir("closed", 0o300)
number = 0
while True:
    open(f"closed/file{number % 290}", "w").close(); number += 1
""",
    "memory": """
kept = []
while True:
    kept.append(bytearray(os.urandom(2**10)) * 2**12)
""",
    "memory that is mapped nowhere": """
import mmap
maps = []
while True:
    maps.append(mmap.mmap(-1, 2**24))
    maps[-1].write(bytes(2**24)); maps[-1].madvise(mmap.MADV_DONTNEED)
""",
    "memory of many processes": """
for _ in range(20):
    if not os.fork():
        kept = bytearray(os.urandom(2**10)) * 2**15
        time.sleep(1000)
time.sleep(1000)
""",
    "CPU time": """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def work():
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    os._exit(0)
while True:
    if not os.fork():
        work()
    time.sleep(0.1)
""",
}


@pytest.fixture(scope="module", params=PLACES.values(), ids=list(PLACES))
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, Course]]:
    """A mechanism, and a course."""
    mechanism, uid = request.param
    reason = available().reasons[Mechanism(mechanism)] or why_not(uid)
    if reason:
        pytest.skip(reason)
    course = Course(uid)
    yield mechanism, course
    course.close()


def execute(place: tuple[str, Course], code: str, **limits: int) -> Result:
    """Execute one cell, and then check that everything is as before and that the next one works."""
    mechanism, course = place
    first = f"T = {course.targets()!r}\n{FIRST}"
    result = course.execute([first, code], mechanism, limits=LIMITS | limits, timeout=90)
    assert course.survivors() == []
    assert course.state() == course.before
    return result


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        pytest.param("processes", "processes", marks=pytest.mark.attack("sandbox-fork-bomb")),
        pytest.param(
            "hopping processes", "processes", marks=pytest.mark.attack("sandbox-fork-bomb")
        ),
        pytest.param("a large file", "disk", marks=pytest.mark.attack("sandbox-fill-disk")),
        pytest.param("files without a name", "disk", marks=pytest.mark.attack("sandbox-fill-disk")),
        pytest.param(
            "a mapped file without a name", "disk", marks=pytest.mark.attack("sandbox-fill-disk")
        ),
        pytest.param(
            "folders with a long path", "files", marks=pytest.mark.attack("sandbox-hidden-files")
        ),
        pytest.param(
            "a closed folder of its own", "files", marks=pytest.mark.attack("sandbox-hidden-files")
        ),
        pytest.param(
            "files that wait in sockets", "files", marks=pytest.mark.attack("sandbox-hidden-files")
        ),
        pytest.param("hiding in turns", "files", marks=pytest.mark.attack("sandbox-hidden-files")),
        pytest.param(
            "memory in sockets", "memory", marks=pytest.mark.attack("sandbox-exhaust-memory")
        ),
        pytest.param("temporary files", "disk", marks=pytest.mark.attack("sandbox-fill-disk")),
        pytest.param("many files", "files", marks=pytest.mark.attack("sandbox-many-files")),
        pytest.param("deep folders", "files", marks=pytest.mark.attack("sandbox-many-files")),
        pytest.param("memory", "memory", marks=pytest.mark.attack("sandbox-exhaust-memory")),
        pytest.param(
            "memory that is mapped nowhere",
            "memory",
            marks=pytest.mark.attack("sandbox-exhaust-memory"),
        ),
        pytest.param(
            "memory of many processes", "memory", marks=pytest.mark.attack("sandbox-exhaust-memory")
        ),
        pytest.param("CPU time", "cpu", marks=pytest.mark.attack("sandbox-burn-cpu")),
    ],
)
def test_a_limit_ends_the_sandbox(place: tuple[str, Course], name: str, limit: str) -> None:
    """Everything ends, the reason is recorded, and what was written is removed."""
    small: dict[str, Any] = {"cpu_seconds": 4} if limit == "cpu" else {}
    result = execute(place, EXCEED[name], **small)
    assert result.outcome is not None
    # The system itself refuses processes, and single files larger than the limit. If the cell fails
    # on that, the supervisor may have nothing to stop.
    refused = any(one in result.outputs[-1] for one in ("File too large", "unavailable"))
    if result.outcome["limit"] is not None or not refused:
        # What is hidden is noticed as such, or by the free space that it takes.
        hidden = name in ("hiding in turns", "files that wait in sockets")
        found = {limit, "disk"} if hidden else {limit}
        assert result.outcome["limit"] in found, result
        assert result.outcome["message"].endswith("It was stopped.")
    assert result.error is not None or refused
    assert {path.name for path in place[1].folder.iterdir()} <= {"data.csv", "large", "none"}
    assert sum(path.stat().st_size for path in place[1].folder.iterdir()) < MIB


def test_a_closed_folder_hides_no_files(place: tuple[str, Course]) -> None:
    """Root looks into it; another account ends the sandbox."""
    result = execute(place, EXCEED["a closed folder"], cpu_seconds=10)
    assert result.outcome is not None
    assert result.outcome["limit"] in ({"files"} if place[1].uid else {"files", "cpu"})
    assert {path.name for path in place[1].folder.iterdir()} <= {"data.csv", "closed"}


@pytest.mark.attack("sandbox-flood-output")
def test_output_past_the_cells_is_cut(place: tuple[str, Course]) -> None:
    """Half a gigabyte leaves its last part only, and the notebook ends as usual."""
    code = """
terminal = sys.stdout._original_stdstream_copy  # not captured by the kernel
for _ in range(2**9):
    os.write(terminal, b"x" * 2**20)
print("done")
"""
    result = execute(place, code)
    assert result.outcome is not None
    assert result.outcome["limit"] is None
    assert len(result.outcome["output"]) <= 4096
    assert result.outputs[-1] == "done\n"


def test_the_next_notebook_is_executed(place: tuple[str, Course]) -> None:
    """What earlier ones did has no effect on it."""
    result = execute(place, "print(open('data.csv').read())")
    assert result.outputs[-1] == "of the assignment\n"
    assert result.error is None
