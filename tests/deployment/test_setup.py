"""docker/setup: what it makes, what it leaves alone, and what it says is wrong.

It runs here without Docker's programs, so each run ends with the line about them.
"""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.paths import ROOT

PROGRAMS = (
    *("cat", "chmod", "cp", "dirname", "grep", "mkdir", "od"),
    *("sed", "sh", "ss", "tail", "tr", "wc"),
)
NO_DOCKER = "- there is no docker: on Debian and Ubuntu apt-get install"


class Folder:
    """A copy of what docker/setup is and reads, and a PATH without docker."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "docker"
        self.path.mkdir()
        shutil.copy2(ROOT / "docker/setup", self.path)
        shutil.copytree(ROOT / "docker/etc.example", self.path / "etc.example")
        self._programs = tmp_path / "bin"
        self._programs.mkdir()
        for name in PROGRAMS:
            if found := shutil.which(name):
                (self._programs / name).symlink_to(found)

    def setup(self, *words: str, said: str = "", **settings: str) -> list[str]:
        """The lines of what it says is wrong."""
        done = subprocess.run(
            [str(self.path / "setup"), *words],
            env={"PATH": str(self._programs), **settings},
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1, done
        return [line for line in done.stderr.splitlines() if line.startswith("- ")]

    def secret(self, name: str) -> Path:
        """The file of a secret."""
        return self.path / "secrets" / name


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder in which nobody has run it."""
    return Folder(tmp_path)


def free_port() -> str:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_every_secret_is_made_strong_and_for_nobody_else(folder: Folder) -> None:
    """A file each, no two alike, in a folder that only its owner opens."""
    (problem,) = folder.setup("--defaults", PORT=free_port())
    assert problem.startswith(NO_DOCKER)
    texts = {each.name: each.read_text().strip() for each in (folder.path / "secrets").iterdir()}
    assert (texts.pop("client_id"), texts.pop("client_secret")) == ("", "")
    assert len(texts.pop("user_password")) == 12
    assert len(texts) == 11
    assert all(len(text) >= 32 for text in texts.values())
    assert len(set(texts.values())) == len(texts)
    assert folder.secret("").stat().st_mode & 0o777 == 0o700
    assert (folder.path / ".env").stat().st_mode & 0o777 == 0o600


def test_compose_asks_for_no_secret_that_is_not_made(folder: Folder) -> None:
    """Those in compose.yaml and in stack.yaml are among those made."""
    folder.setup("--defaults", PORT=free_port())
    for name in ("compose.yaml", "stack.yaml"):
        text = (ROOT / "docker" / name).read_text()
        wanted = {part.split("}")[0].strip() for part in text.split("./secrets/")[1:]}
        assert len(wanted) >= 10
        for each in wanted:
            assert folder.secret(each.split(",")[0]).exists(), f"{name}: {each}"


def test_nothing_is_overwritten(folder: Folder) -> None:
    """Not a secret, not a setting and not the roster, and what is missing is made."""
    folder.setup("--defaults", PORT=free_port())
    (folder.path / "etc/roster.toml").write_text("mine")
    before = {each: each.read_text() for each in folder.path.rglob("*") if each.is_file()}
    folder.secret("cull_token").unlink()
    folder.setup("--defaults", PUBLIC_URL="http://elsewhere:9000")
    after = {each: each.read_text() for each in before}
    assert [each.name for each in before if before[each] != after[each]] == ["cull_token"]


def test_it_asks_three_things(folder: Folder) -> None:
    """An empty answer takes what stands in brackets; the port comes out of the address."""
    folder.setup(said="http://class.test:18765\n\nsystemuser\n")
    assert (folder.path / ".env").read_text().splitlines()[1:] == [
        "PUBLIC_URL=http://class.test:18765",
        "AUTHENTICATOR=shared-password",
        "SPAWNER=systemuser",
        "PORT=18765",
        "TLS_HOST=",
    ]


CADDY = [
    "TLS_HOST=class.test",
    "COMPOSE_FILE=compose.yaml:compose.tls.yaml",
    "COMPOSE_PROFILES=tls",
]


@pytest.mark.parametrize(
    ("url", "said", "written"),
    [
        ("https://class.test", "", CADDY),
        ("https://class.test:443/", "caddy", CADDY),
        ("https://class.test", "own", ["TLS_HOST="]),
        ("https://class.test:8443", "", ["TLS_HOST="]),
        ("http://class.test", "", ["TLS_HOST="]),
    ],
)
def test_https_brings_certificates_unless_a_proxy_of_ones_own_does(
    folder: Folder, url: str, said: str, written: list[str]
) -> None:
    """By caddy, before a proxy that is published no more; at another port it is somebody else's."""
    folder.setup(said=f"{url}\n\n\n{said}\n", PORT=free_port())
    assert (folder.path / ".env").read_text().splitlines()[5:] == written


def test_certificates_need_a_name(folder: Folder) -> None:
    """Caddy would take an empty one for something else altogether."""
    folder.setup("--defaults", PORT=free_port())
    with (folder.path / ".env").open("a") as file:
        file.write("COMPOSE_PROFILES=monitoring,tls\n")
    problems = folder.setup("--check")
    assert problems[0].startswith("- TLS_HOST is empty: write the hub's name")


def test_check_makes_nothing(folder: Folder) -> None:
    """It says what is missing, and how to make it."""
    problems = folder.setup("--check")
    assert problems[0] == "- .env is missing: run docker/setup"
    assert "- secrets/proxy_token is missing: run docker/setup" in problems
    assert not (folder.path / ".env").exists()
    assert not list(folder.path.glob("secrets/*"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("cull_token", "short", "- secrets/cull_token is weak: 32 characters at least; remove"),
        ("cull_token", "", "- secrets/cull_token is weak"),
        ("user_password", "1234567", "- secrets/user_password is weak: 8 characters at least"),
    ],
)
def test_a_weak_secret_is_refused(folder: Folder, name: str, text: str, said: str) -> None:
    """It stays as it is, and the line names the file and what to do; never what is in it."""
    port = free_port()
    folder.setup("--defaults", PORT=port)
    folder.secret(name).unlink()
    folder.secret(name).write_text(text + "\n")
    weak, no_docker = folder.setup("--check")
    assert weak.startswith(said)
    assert no_docker.startswith(NO_DOCKER)
    assert not text or text not in weak


def test_google_needs_https_and_a_client(folder: Folder) -> None:
    """Each line says where to get it, with the redirect address to give there."""
    url = "http://class.test:18766"
    problems = folder.setup("--defaults", AUTHENTICATOR="google", PUBLIC_URL=url)
    client, secret, https = [each for each in problems if not each.startswith(NO_DOCKER)]
    assert client == (
        "- secrets/client_id is empty: get it at console.cloud.google.com, with the redirect"
        f" address {url}/hub/oauth_callback"
    )
    assert secret.startswith("- secrets/client_secret is empty")
    assert https.startswith(f"- PUBLIC_URL={url}: Google sends people back to https addresses only")


@pytest.mark.skipif(shutil.which("ss") is None, reason="needs ss, of iproute2")
def test_a_taken_port_is_told(folder: Folder) -> None:
    """With the setting that moves the hub to another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        problems = folder.setup("--defaults", PORT=str(port))
    assert problems[1] == (
        f"- the port {port} is taken by another program: stop it, or write PORT=8001 into .env"
    )


def test_a_way_to_certificates_that_is_none_is_refused(folder: Folder) -> None:
    """With exit code 2, and no settings are written."""
    done = subprocess.run(
        [str(folder.path / "setup"), "--defaults"],
        env={"PATH": os.environ["PATH"], "PUBLIC_URL": "https://class.test", "TLS": "cady"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "docker/setup: TLS=cady is neither caddy nor own\n"
    assert not (folder.path / ".env").exists()


def test_a_word_that_is_none_is_refused(folder: Folder) -> None:
    """With exit code 2, and nothing is made."""
    done = subprocess.run(
        [str(folder.path / "setup"), "--chekc"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "docker/setup: there is no --chekc; --help tells what there is\n"
    assert sorted(os.listdir(folder.path)) == ["etc.example", "setup"]
