"""The command line of bubblewrap for a plan. See bwrap(1)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from services.formgrader_proxy.sandbox.plan import CONNECTION, ETC, SHARED, TEMPORARY, Plan

#: What setpriv(1) needs to leave the root account, and bubblewrap to enter the folder. The command
#: has none of them.
_TO_LEAVE_ROOT = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_DAC_READ_SEARCH")


@dataclass(frozen=True)
class Programs:
    """Absolute paths. ``setpriv`` is needed by root only.

    ``forbids_nesting``: this bubblewrap can forbid further user namespaces itself.
    """

    bwrap: str
    setpriv: str
    forbids_nesting: bool


def command(plan: Plan, programs: Programs, filters: Sequence[int]) -> list[str]:
    """Bubblewrap and the plan's command. ``filters`` are descriptors with its filters."""
    arguments = [
        programs.bwrap,
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    arguments += ["--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
    arguments += [] if plan.network else ["--unshare-net"]
    arguments += ["--cap-drop", "ALL"]
    run = list(plan.command)
    if plan.account is None:
        arguments += ["--unshare-user"]
        arguments += ["--disable-userns"] if programs.forbids_nesting else []
    else:
        for name in _TO_LEAVE_ROOT:
            arguments += ["--cap-add", name]
        run = [programs.setpriv, *_as_account(plan.account.uid), *run]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for descriptor in filters:
        arguments += ["--add-seccomp-fd", str(descriptor)]
    arguments += _files(plan)
    for name, value in plan.environment.items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--chdir", plan.folder, "--", *run]


def _files(plan: Plan) -> list[str]:
    """What the code sees. Outer folders come first, or they would cover the inner ones."""
    mounts: dict[str, tuple[str, ...]] = {
        "/tmp": ("--bind", str(plan.in_run(TEMPORARY))),  # noqa: S108 - the sandbox's own
        "/dev/shm": ("--bind", str(plan.in_run(SHARED))),  # noqa: S108
        str(plan.in_run(CONNECTION)): ("--bind", str(plan.in_run(CONNECTION))),
    }
    mounts |= {path: ("--ro-bind", path) for path in plan.software}
    mounts |= {path: ("--symlink", target) for path, target in plan.links.items()}
    etc = plan.in_run(ETC)
    mounts |= {f"/etc/{name}": ("--ro-bind", str(etc / name)) for name in sorted(os.listdir(etc))}
    mounts[plan.folder] = ("--bind", plan.folder)
    # Bubblewrap would close the folders on the way where the source is closed to other accounts.
    ways = {str(parent) for path in mounts for parent in PurePosixPath(path).parents}
    mounts |= dict.fromkeys(ways - mounts.keys() - {"/"}, ("--dir",))
    ordered = sorted(mounts.items(), key=lambda item: item[0].count("/"))
    arguments = [word for path, mount in ordered for word in (*mount, path)]
    # In /proc the code could choose another process to be ended when memory runs out.
    return [*arguments, *(w for path in ("/proc", "/dev", "/") for w in ("--remount-ro", path))]


def _as_account(uid: int) -> list[str]:
    return [
        *(f"--reuid={uid}", f"--regid={uid}", "--clear-groups"),
        *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"),
    ]
