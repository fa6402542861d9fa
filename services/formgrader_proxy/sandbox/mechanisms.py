"""Which mechanisms work on this machine, and the one that a course gets."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from services.formgrader_proxy.sandbox import launch
from services.formgrader_proxy.sandbox.launch import SandboxUnavailable
from services.formgrader_proxy.sandbox.settings import Mechanism, SandboxSettings

__all__ = ["Availability", "SandboxUnavailable", "available", "choose"]

_SECONDS = 30.0
#: Runs inside: succeeds only if neither the file in its argument nor the network can be reached.
_PROBE = """
import socket, sys
try:
    open(sys.argv[1])
except OSError:
    pass
else:
    sys.exit("files outside can be read")
try:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))
except OSError:
    pass
else:
    sys.exit("the network can be reached")
open("written", "w").close()
"""


@dataclass(frozen=True)
class Availability:
    """For each mechanism that isolates: None if it works, otherwise the reason why not."""

    reasons: Mapping[Mechanism, str | None]

    def usable(self, mechanism: Mechanism) -> bool:
        """Whether it works here. "none" always does."""
        return mechanism is Mechanism.NONE or self.reasons[mechanism] is None

    @property
    def best(self) -> Mechanism | None:
        """The best mechanism that isolates; None if there is none."""
        isolating = (Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK)
        return next((one for one in isolating if self.usable(one)), None)


@cache
def available() -> Availability:
    """Try each mechanism in a child process, once. Takes about 0.3 s."""
    return Availability({one: _try(one) for one in (Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK)})


def choose(settings: SandboxSettings) -> Mechanism:
    """The mechanism that a course gets.

    :raises SandboxUnavailable: the mechanism it asks for, or every one, does not work here
    """
    wanted = settings.mechanism
    if wanted is Mechanism.NONE:
        return wanted
    found = available()
    if wanted is None:
        if found.best is not None:
            return found.best
        reasons = "; ".join(f"{name}: {why}" for name, why in found.reasons.items())
    elif found.usable(wanted):
        return wanted
    else:
        reasons = f"{wanted}: {found.reasons[wanted]}"
    raise SandboxUnavailable(
        f"Submissions cannot be isolated on this machine ({reasons}). Install bubblewrap, or use a "
        'Linux kernel with Landlock (5.13 or newer). With sandbox = "none" the code of submissions '
        "runs without isolation and can change all grades."
    )


def _try(mechanism: Mechanism) -> str | None:
    """Run a command that tries to get out. Returns why the mechanism does not work, or None."""
    try:
        run = launch.make_run()
    except (OSError, SandboxUnavailable) as error:
        return str(error)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _run_probe(run, SandboxSettings(mechanism), Path(folder))
    except (OSError, RuntimeError, ImportError, SandboxUnavailable) as error:
        return str(error)
    finally:
        launch.remove_run(run)


def _run_probe(run: Path, settings: SandboxSettings, folder: Path) -> str | None:
    outside = run / "outside"
    outside.touch(mode=0o644)
    command = [sys.executable, "-I", "-S", "-c", _PROBE, str(outside)]
    plan = launch.make_plan(run, settings, command, folder, environment={})
    process = launch.start(replace(plan))
    try:
        code = process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()
        return f"it did not finish within {_SECONDS:.0f} s"
    finally:
        if process.stdin:
            process.stdin.close()
    outcome = launch.read_outcome(plan)
    if code == 0 and outcome and (folder / "written").exists():
        return None
    said = outcome["output"] if outcome else launch.read_errors(plan)
    return said.strip().rpartition("\n")[2] or f"the first command ended with status {code}"
