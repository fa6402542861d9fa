"""Control groups, on systems where this process may make them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.formgrader_proxy.upstream.keeper import cgroup


@pytest.fixture
def group() -> Iterator[Path]:
    made = cgroup.create()
    if made is None:
        pytest.skip("this process may not make a control group (cgroup v2)")
    yield made
    cgroup.kill(made)
    cgroup.remove(made)


def test_a_new_one_is_below_that_of_this_process(group: Path) -> None:
    """And has no members."""
    assert group.parent == cgroup.find_own()
    assert (group / "cgroup.procs").read_text() == ""


def test_all_members_are_killed_at_once(group: Path) -> None:
    """Afterwards it can be removed, with groups inside it."""
    (group / "inner").mkdir()
    code = (
        "import sys, pathlib, time\n"
        f"pathlib.Path({str(group / 'inner')!r}, 'cgroup.procs').write_text('0')\n"
        "print(flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        cgroup.remove(group)
        assert group.exists()
        cgroup.kill(group)
        assert process.wait(20) == -9
    deadline = time.monotonic() + 20
    while group.exists():
        assert time.monotonic() < deadline
        cgroup.remove(group)


def test_without_permission_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in most containers, and with cgroup v1: the keeper works without."""
    monkeypatch.setattr(cgroup, "find_own", lambda: tmp_path / "missing")
    assert cgroup.create() is None
    monkeypatch.setattr(cgroup, "find_own", lambda: tmp_path)
    assert cgroup.create() is None
    assert list(tmp_path.iterdir()) == []
    assert not cgroup.join(tmp_path / "missing")
