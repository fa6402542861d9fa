"""A private Docker engine for tests, on machines without Docker or access to an image registry.

The engine runs in a separate network namespace and does not affect other engines. It adds two
firewall rules and a NAT rule to the machine and removes them when it stops. Published ports are
reachable at ``engine.address``, only from this machine. Requires root and Debian.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from tests.paths import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
#: Cache for images, packages and the engine's data, so that only the first run is slow.
KEPT = Path(os.environ.get("CLASSROOM_DOCKER_CACHE", CACHE / "jupyterhub-classroom-docker"))
PROGRAMS = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "iptables": "iptables",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
}
#: Debian 12 does not have these. The Debian 13 packages work without Debian 13's libraries.
PLUGINS = {"docker-compose": "docker-compose", "docker-buildx": "docker-buildx"}
#: IP forwarding, which an engine requires, and a copy of the original value.
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
FORWARDING_FOUND = Path("/run/jupyterhub-classroom-forwarding")
BASE = "classroom-base:bookworm"
#: The base image names that the project's Dockerfiles use.
BASE_TAGS = ("python:3.12-slim-bookworm", "debian:bookworm-slim")
BASE_PACKAGES = "ca-certificates,python3-minimal,python3-venv,python3-pip,python-is-python3,tini"


class EngineMissingError(Exception):
    """No engine is available; the message gives the reason in one line."""


class CommandError(AssertionError):
    """A command failed; the message contains its output."""


class Engine:
    """``with Engine() as engine: engine.docker("ps")``.

    ``number`` (0 to 63) distinguishes engines that run at the same time.
    """

    def __init__(self, number: int = 0, *, kept: Path = KEPT) -> None:
        self.name = f"classroom{number}"
        first = 4 * number
        self._outside = f"10.213.77.{first + 1}"
        self.address = f"10.213.77.{first + 2}"
        self._network = f"10.213.77.{first}/30"
        self.data = kept / self.name
        self._run_at = Path()
        self._undo = ExitStack()
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which ``docker`` uses this engine and the plugins."""
        return {
            **os.environ,
            "DOCKER_HOST": f"unix://{self._run_at / 'docker.sock'}",
            "DOCKER_CONFIG": str(KEPT / "config"),
            "DOCKER_BUILDKIT": "1",
        }

    def __enter__(self) -> Self:
        install()
        with ExitStack() as undo:
            self._start(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._undo.close()

    def docker(self, *words: str, **options: Any) -> str:
        """Run a docker command and return its output. :raises CommandError: it failed"""
        return run(["docker", *words], env=self.environment, **options)

    def compose(self, *words: str, **options: Any) -> str:
        """Run a docker compose command and return its output. :raises CommandError: it failed"""
        return self.docker("compose", *words, **options)

    def build(self, directory: Path, tag: str, **arguments: str) -> None:
        """Build an image from a directory's Dockerfile, with the project as the build context."""
        words = [
            word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")
        ]
        self.docker(
            "build", "-q", "-t", tag, "-f", str(directory / "Dockerfile"), *words, str(ROOT)
        )

    def base(self) -> str:
        """Return the base image's name; build the image from Debian packages if it is missing."""
        if not self.docker("images", "-q", BASE).strip():
            self._make_base()
        for tag in BASE_TAGS:
            self.docker("tag", BASE, tag)
        return BASE

    def _make_base(self) -> None:
        archive = KEPT / "base.tar"
        if not archive.exists():
            make_base(archive)
        with archive.open("rb") as stream:
            # Make programs that bundle CA certificates use this machine's certificates instead.
            bundle = "/etc/ssl/certs/ca-certificates.crt"
            names = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
            words = [f"--change=ENV {name}={bundle}" for name in names]
            self.docker("import", *words, "-", BASE, stdin=stream)

    def _start(self, undo: ExitStack) -> None:
        self._run_at = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        undo.callback(shutil.rmtree, self._run_at, ignore_errors=True)
        self.data.mkdir(parents=True, exist_ok=True)
        self._join_network(undo)
        log = (self._run_at / "dockerd.log").open("wb")
        undo.callback(log.close)
        # `ip netns exec` would mount a new /sys, without the control groups; nsenter does not.
        # setpriv stops the engine if the test process is killed.
        words = ["setpriv", "--pdeathsig", "TERM"]
        words += ["nsenter", f"--net=/run/netns/{self.name}", "dockerd"]
        words += ["--data-root", str(self.data), "--exec-root", str(self._run_at / "exec")]
        words += ["--pidfile", str(self._run_at / "dockerd.pid")]
        words += ["-H", f"unix://{self._run_at / 'docker.sock'}"]
        self._daemon = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        undo.callback(self._stop)
        until("the engine", self._answers, seconds=90)

    def _answers(self) -> bool:
        assert self._daemon is not None
        if self._daemon.poll() is not None:
            said = (self._run_at / "dockerd.log").read_text(errors="replace").strip()
            raise EngineMissingError(f"dockerd does not run here: {said.splitlines()[-1]}")
        probe = subprocess.run(
            ["docker", "version"], env=self.environment, capture_output=True, check=False
        )
        return probe.returncode == 0

    def _stop(self) -> None:
        """Stop the engine and all of its containers."""
        assert self._daemon is not None
        with suppress(CommandError, subprocess.TimeoutExpired):
            there = self.docker("ps", "-aq").split()
            if there:
                self.docker("rm", "-fv", *there, timeout=120)
        self._daemon.send_signal(signal.SIGTERM)
        try:
            self._daemon.wait(60)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()

    def _join_network(self, undo: ExitStack) -> None:
        """Create a network namespace with outbound access through this machine's address."""
        inside, outside = f"{self.name}i", f"{self.name}o"
        # Left over from a run that was killed:
        remove_namespace(self.name)
        subprocess.run(["ip", "link", "delete", outside], capture_output=True, check=False)
        run(["ip", "netns", "add", self.name])
        undo.callback(remove_namespace, self.name)
        within = ["ip", "netns", "exec", self.name]
        run(["ip", "link", "add", outside, "type", "veth", "peer", "name", inside])
        run(["ip", "link", "set", inside, "netns", self.name])
        run(["ip", "addr", "add", f"{self._outside}/30", "dev", outside])
        run(["ip", "link", "set", outside, "up"])
        run([*within, "ip", "addr", "add", f"{self.address}/30", "dev", inside])
        run([*within, "ip", "link", "set", inside, "up"])
        run([*within, "ip", "link", "set", "lo", "up"])
        run([*within, "ip", "route", "add", "default", "via", self._outside])
        undo.callback(self._leave_forwarding)
        if FORWARDING.read_text().strip() != "1":
            FORWARDING_FOUND.write_text(FORWARDING.read_text())
            FORWARDING.write_text("1")
        for rule in (
            [
                "-t",
                "nat",
                "-I",
                "POSTROUTING",
                "-s",
                self._network,
                "!",
                "-o",
                outside,
                "-j",
                "MASQUERADE",
            ],
            ["-I", "FORWARD", "-i", outside, "-j", "ACCEPT"],
            ["-I", "FORWARD", "-o", outside, "-j", "ACCEPT"],
        ):
            run(["iptables", "-w", *rule])
            undo.callback(
                run, ["iptables", "-w", *("-D" if word == "-I" else word for word in rule)]
            )

    def _leave_forwarding(self) -> None:
        """Restore the machine's IP forwarding setting, unless another engine still needs it."""
        there = {path.name for path in Path("/run/netns").glob("classroom*")}
        if there <= {self.name} and FORWARDING_FOUND.exists():
            FORWARDING.write_text(FORWARDING_FOUND.read_text())
            FORWARDING_FOUND.unlink()


def remove_namespace(name: str) -> None:
    """Remove a network namespace if it exists."""
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def run(
    words: list[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: Any = None,
    timeout: float = 900,
    cwd: Path | None = None,
) -> str:
    """Run a command and return its output. :raises CommandError: it failed"""
    ran = subprocess.run(
        words,
        env=env,
        stdin=stdin or subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        cwd=cwd,
        check=False,
        text=True,
        errors="replace",
    )
    if ran.returncode:
        raise CommandError(
            f"{' '.join(words)}: {ran.returncode}\n{ran.stdout[-3000:]}{ran.stderr[-6000:]}"
        )
    return ran.stdout


def until(what: str, happened: Any, *, seconds: float = 90) -> None:
    """Wait until `happened()` is true. :raises AssertionError: timed out"""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.2)


def install() -> None:
    """Install missing programs. :raises EngineMissingError: not root, or installation failed"""
    if os.geteuid():
        raise EngineMissingError("an engine of the tests' own needs root")
    missing = sorted({PROGRAMS[name] for name in PROGRAMS if shutil.which(name) is None})
    try:
        if missing:
            apt(["update"])
            apt(["install", "-y", "--no-install-recommends", *missing])
        plugins()
    except (CommandError, FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise EngineMissingError(
            f"cannot install {', '.join(missing) or 'plugins'}: {error}"
        ) from None


def apt(words: Iterable[str], options: Iterable[str] = ()) -> None:
    """Run apt-get without prompts."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "-q", *options, *words], env=env, timeout=600)


def plugins() -> None:
    """Unpack Compose and buildx from Debian 13 packages into the cache."""
    target = KEPT / "config" / "cli-plugins"
    if all((target / name).exists() for name in PLUGINS):
        return
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        for name in ("lists/partial", "cache/archives/partial"):
            (work / name).mkdir(parents=True)
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (work / "sources.list").write_text(f"deb [signed-by={keyring}] {mirror()} trixie main\n")
        options = {
            "Dir::Etc::sourcelist": work / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": work / "lists",
            "Dir::Cache": work / "cache",
            "APT::Sandbox::User": "root",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        apt(["update"], words)
        run(["apt-get", "-q", *words, "download", *PLUGINS.values()], cwd=work, timeout=600)
        for package in work.glob("*.deb"):
            run(["dpkg-deb", "-x", str(package), str(work / "x")])
        for name in PLUGINS:
            found = next((work / "x").rglob(f"cli-plugins/{name}"))
            shutil.copy2(found, target / name)


def mirror() -> str:
    """Return the Debian mirror that this machine uses."""
    places = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for place in places:
        if not place.is_file():
            continue
        for line in place.read_text(errors="replace").splitlines():
            words = [] if line.lstrip().startswith("#") else line.split()
            for word in words:
                if word.startswith("http") and word.rstrip("/").endswith("/debian"):
                    return word
    return "http://deb.debian.org/debian"


def make_base(archive: Path) -> None:
    """Create an archive of a minimal Debian with Python and this machine's package settings."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        hook, unfinished = Path(directory) / "hook", archive.with_suffix(".new.tar")
        hook.write_text(_HOOK)
        hook.chmod(0o755)
        run(
            [
                "mmdebstrap",
                "--quiet",
                "--variant=apt",
                "--mode=root",
                f"--include={BASE_PACKAGES}",
                f"--customize-hook={hook}",
                "bookworm",
                str(unfinished),
                mirror(),
            ]
        )
        assert unfinished.stat().st_size > 50_000_000, "the base came out empty"
        unfinished.rename(archive)


# Only settings that work in a build are copied: pip's configuration may refer to packages on this
# machine's disk, which a build cannot access.
_HOOK = """#!/bin/sh
set -e
mkdir -p "$1/usr/local/share/ca-certificates" "$1/etc/ssl/certs"
for each in /usr/local/share/ca-certificates/*.crt; do
  [ -e "$each" ] && cp "$each" "$1/usr/local/share/ca-certificates/"
done
cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
[ -e /etc/pip.conf ] && cp /etc/pip.conf "$1/etc/pip.conf"
[ -e /etc/npmrc ] && cp /etc/npmrc "$1/etc/npmrc"
rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED
exit 0
"""
