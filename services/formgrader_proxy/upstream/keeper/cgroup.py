"""A control group (cgroup v2) for one formgrader, where the system lets this process make one.

``cgroup.kill`` ends every member at once, whatever it forks meanwhile (Linux 5.14 and newer;
Documentation/admin-guide/cgroup-v2.rst). Systems without write access, such as most containers,
rely on the keeper alone.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def find_own() -> Path | None:
    """The directory of this process's own control group; None without cgroup v2."""
    try:
        groups = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
        mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in groups if line.startswith("0::/")), None)
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        if path is not None and after.startswith("cgroup2 "):
            own = Path(before.split()[4] + path)
            return own if own.is_dir() else None
    return None


def create() -> Path | None:
    """A new, empty control group below this process's own; None if that is not possible."""
    own = find_own()
    if own is None:
        return None
    group = own / f"formgrader-{secrets.token_hex(8)}"
    try:
        group.mkdir()
    except OSError:
        return None
    if (group / "cgroup.kill").exists():
        return group
    remove(group)
    return None


def join(group: Path) -> bool:
    """Move this process into the group, which its new children inherit. Returns the success."""
    try:
        (group / "cgroup.procs").write_text("0")
    except OSError:
        return False
    return True


def kill(group: Path) -> None:
    """Send SIGKILL to every member of the group and of the groups below it."""
    with suppress(OSError):
        (group / "cgroup.kill").write_text("1")


def remove(group: Path) -> None:
    """Remove the group and those below it, as far as they have no members."""
    for directory, _, _ in os.walk(group, topdown=False):
        with suppress(OSError):
            Path(directory).rmdir()
