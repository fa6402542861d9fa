"""Starting a formgrader as a child of its keeper."""

import os
import signal
import subprocess
from pathlib import Path

from common.prctl import end_with_parent
from services.formgrader_proxy.upstream.keeper import cgroup
from services.formgrader_proxy.upstream.keeper.plan import Plan


def start(plan: Plan, output: int) -> tuple[subprocess.Popen[bytes], Path | None]:
    """Start it in a new session; it ends when the keeper ends.

    Returns the process and the control group that it is in, if any.

    :raises OSError, subprocess.SubprocessError: it cannot be started
    """
    group, own = Path(plan.cgroup) if plan.cgroup else None, cgroup.find_own()
    if group and not (own and cgroup.join(group)):
        group = None
    keeper = os.getpid()
    try:
        process = subprocess.Popen(  # noqa: S603 - the command is the administrator's
            plan.command,
            cwd=plan.directory,
            env=plan.environment,
            stdin=plan.settings,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=plan.inherited,
            start_new_session=True,
            umask=0o027,
            user=plan.uid,
            group=plan.gid,
            extra_groups=plan.groups,
            # Runs last of all. A change of the account would cancel it.
            preexec_fn=lambda: end_with_parent(keeper, signal.SIGKILL) and None,
        )
    finally:
        if group and not (own and cgroup.join(own)):
            group = None  # the keeper is in it as well, so killing it would be too early
    return process, group
