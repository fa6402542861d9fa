"""A User-Mode Linux guest: a kernel with NFS and IPVS that runs as a process.

Its root is a cached folder with Debian packages, and its changes stay in memory. It has only an
internal network, so it needs no tap device or firewall rules on this machine.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.docker.engine import CommandError, apt, mirror, run
from tests.paths import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
KEPT = Path(os.environ.get("CLASSROOM_UML_CACHE", CACHE / "jupyterhub-classroom-uml"))
PACKAGES = (
    "docker.io,iptables,nfs-common,nfs-ganesha,nfs-ganesha-vfs,iproute2,kmod,mount,busybox-static"
)
HERE = Path(__file__).parent
#: Time limit in seconds, on a busy machine with two cores.
BOOT_SECONDS = 900


class GuestMissingError(Exception):
    """The guest cannot run here; the message says why in one line."""


def prepare() -> None:
    """Install the kernel and root if needed. :raises GuestMissingError: it failed"""
    if os.geteuid():
        raise GuestMissingError("a User-Mode Linux guest needs root to create its file system")
    if shutil.which("apt-get") is None:
        raise GuestMissingError("a User-Mode Linux guest needs Debian packages")
    KEPT.mkdir(parents=True, exist_ok=True)
    try:
        if shutil.which("mmdebstrap") is None:
            apt(["update"])
            apt(["install", "-y", "--no-install-recommends", "mmdebstrap"])
        if not (KEPT / "kernel").exists():
            _kernel()
        if not (KEPT / "root").exists():
            _root()
    except (CommandError, FileNotFoundError, subprocess.TimeoutExpired) as error:
        reason = str(error).strip().splitlines()[-1]
        raise GuestMissingError(f"cannot install a User-Mode Linux guest: {reason}") from None


def _kernel() -> None:
    with tempfile.TemporaryDirectory(dir=KEPT) as directory:
        work = Path(directory)
        run(["apt-get", "-q", "download", "user-mode-linux"], cwd=work, timeout=300)
        package = next(work.glob("*.deb"))
        run(["dpkg-deb", "-x", str(package), str(work / "x")])
        (work / "x").rename(KEPT / "kernel")


def _root() -> None:
    unfinished = KEPT / "root.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    words = ["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", f"--include={PACKAGES}"]
    run([*words, "bookworm", str(unfinished), mirror()])
    modules = KEPT / "kernel/usr/lib/uml/modules"
    shutil.copytree(modules, unfinished / "lib/modules", dirs_exist_ok=True)
    unfinished.rename(KEPT / "root")


def files_options() -> str:
    """Return the mount options of the example in docker/stack.yaml."""
    stack = (ROOT / "docker/stack.yaml").read_text()
    found = re.search(r"FILES_OPTIONS=(addr=192\.0\.2\.20,\S+)\}", stack)
    assert found, "docker/stack.yaml has no example of FILES_OPTIONS"
    return found[1]


def results() -> dict[str, str]:
    """Boot a guest, run init.sh, and return the files that it wrote, by name."""
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # only one guest at a time may use the folder
        share = KEPT / "root/guest"
        shutil.rmtree(share, ignore_errors=True)
        (share / "out").mkdir(parents=True)
        for path in (ROOT / "docker/nfs/ganesha.conf", ROOT / "docker/nfs/serve"):
            shutil.copy2(path, share)
        for name in ("init.sh", "stack.yaml"):
            shutil.copy2(HERE / name, share)
        (share / "init.sh").chmod(0o755)
        (share / "settings").write_text(f"FILES_OPTIONS={files_options()}\n")
        _boot(share / "console")
        return {
            path.name: path.read_text(errors="replace")
            for path in sorted((share / "out").iterdir())
        }


def _boot(console: Path) -> None:
    words = ["setpriv", "--pdeathsig", "KILL", str(KEPT / "kernel/usr/bin/linux.uml")]
    words += ["mem=1500M", "root=none", "rootfstype=hostfs", f"rootflags={KEPT / 'root'}", "rw"]
    words += ["con=null", "con0=null,fd:1", "panic=-1", "init=/guest/init.sh"]
    env = {**os.environ, "TMPDIR": "/dev/shm"}  # for the file with the guest's memory
    with console.open("wb") as log, tempfile.NamedTemporaryFile(dir=KEPT) as disk:
        disk.truncate(256 * 2**20)
        words.append(f"ubd0={disk.name}")
        guest = subprocess.Popen(
            words,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            guest.wait(BOOT_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # the files written so far show the progress
        finally:
            with suppress(ProcessLookupError):
                os.killpg(guest.pid, signal.SIGKILL)
            guest.wait()
