"""docker/setup: the files it creates and keeps, and the problems it reports.

It runs here without Docker in its PATH, so each run ends with the message about that.
"""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.paths import ROOT

PROGRAMS = (
    *("cat", "chmod", "cp", "cut", "dirname", "grep", "mkdir", "od"),
    *("sed", "sh", "sha256sum", "sort", "ss", "tail", "tr", "uniq", "wc"),
)
NO_DOCKER = "- Docker is not installed: on Debian and Ubuntu, apt-get install"


class Folder:
    """A copy of docker/setup and the files it reads, with a PATH that lacks Docker."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "docker"
        self.path.mkdir()
        shutil.copy2(ROOT / "docker/setup", self.path)
        for name in ("compose", "stack", "course.compose", "course.stack"):
            shutil.copy(ROOT / f"docker/{name}.yaml", self.path)
        shutil.copytree(ROOT / "docker/etc.example", self.path / "etc.example")
        self._programs = tmp_path / "bin"
        self._programs.mkdir()
        for name in PROGRAMS:
            if found := shutil.which(name):
                (self._programs / name).symlink_to(found)

    def setup(self, *words: str, answers: str = "", **settings: str) -> list[str]:
        """Run the script with ``answers`` on standard input; return the problems it reports."""
        done = subprocess.run(
            [str(self.path / "setup"), *words],
            env={"PATH": str(self._programs), **settings},
            input=answers,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1, done
        return [line for line in done.stderr.splitlines() if line.startswith("- ")]

    def program(self, name: str, text: str) -> Path:
        """Add a shell script to the PATH, and return its path."""
        path = self._programs / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def secret(self, name: str) -> Path:
        """Return the path of a secret."""
        return self.path / "secrets" / name


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder in which the script has not run yet."""
    return Folder(tmp_path)


def free_port() -> str:
    """Return an unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_generated_secrets_are_strong_and_private(folder: Folder) -> None:
    """Each secret is unique and in its own file, in a folder that only the owner can open."""
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


def test_all_secrets_of_the_deployments_are_created(folder: Folder) -> None:
    """Every secret that compose.yaml and stack.yaml use is created."""
    folder.setup("--defaults", PORT=free_port())
    for name in ("compose.yaml", "stack.yaml"):
        text = (ROOT / "docker" / name).read_text()
        wanted = {part.split("}")[0].strip() for part in text.split("./secrets/")[1:]}
        assert len(wanted) >= 10
        for each in wanted:
            assert folder.secret(each.split(",")[0]).exists(), f"{name}: {each}"


def test_nothing_is_overwritten(folder: Folder) -> None:
    """Existing secrets, settings and rosters are kept; missing files are created."""
    folder.setup("--defaults", PORT=free_port())
    (folder.path / "etc/roster.toml").write_text("mine")
    before = {each: each.read_text() for each in folder.path.rglob("*") if each.is_file()}
    folder.secret("cull_token").unlink()
    folder.setup("--defaults", PUBLIC_URL="http://elsewhere:9000")
    after = {each: each.read_text() for each in before}
    assert [each.name for each in before if before[each] != after[each]] == ["cull_token"]


def test_it_asks_three_questions(folder: Folder) -> None:
    """An empty answer selects the default in brackets; the port is taken from the address."""
    folder.setup(answers="http://class.test:18765\n\nsystemuser\n")
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
    ("url", "answer", "written"),
    [
        ("https://class.test", "", CADDY),
        ("https://class.test:443/", "caddy", CADDY),
        ("https://class.test", "own", ["TLS_HOST="]),
        ("https://class.test:8443", "", ["TLS_HOST="]),
        ("http://class.test", "", ["TLS_HOST="]),
    ],
)
def test_https_uses_caddy_unless_the_administrator_has_a_proxy(
    folder: Folder, url: str, answer: str, written: list[str]
) -> None:
    """The hub's port is no longer published behind Caddy; another port means an own proxy."""
    folder.setup(answers=f"{url}\n\n\n{answer}\n", PORT=free_port())
    assert (folder.path / ".env").read_text().splitlines()[5:] == written


@pytest.mark.parametrize(
    ("url", "answers", "written"),
    [
        (
            "https://class.test",
            "caddy\nyes\n",
            [
                *CADDY,
                "TLS_WILDCARD=*.class.test",
                "TLS_CERTIFICATE=/certificates/fullchain.pem /certificates/privkey.pem",
                "SUBDOMAINS=yes",
            ],
        ),
        ("https://class.test", "own\nyes\n", ["TLS_HOST=", "SUBDOMAINS=yes"]),
        ("http://class.test", "yes\n", ["TLS_HOST=", "SUBDOMAINS=yes"]),
        ("http://class.test", "no\n", ["TLS_HOST="]),
        ("http://192.0.2.1", "yes\n", ["TLS_HOST="]),
        ("http://localhost:8000", "yes\n", ["TLS_HOST="]),
    ],
)
def test_separate_origins_are_offered_for_dns_names(
    folder: Folder, url: str, answers: str, written: list[str]
) -> None:
    """The question is not asked for localhost and IP addresses, which have no names below them."""
    folder.setup(answers=f"{url}\n\n\n{answers}", PORT=free_port())
    assert (folder.path / ".env").read_text().splitlines()[5:] == written


def test_separate_origins_need_a_dns_name(folder: Folder) -> None:
    """A later change of PUBLIC_URL or SUBDOMAINS is checked as well."""
    folder.setup("--defaults", PORT=free_port())
    with (folder.path / ".env").open("a") as file:
        file.write("SUBDOMAINS=yes\n")
    problem, _ = folder.setup("--check")
    assert problem.startswith("- SUBDOMAINS=yes needs a DNS name in PUBLIC_URL, not localhost")
    with (folder.path / ".env").open("a") as file:
        file.write("SUBDOMAINS=true\n")
    problem, _ = folder.setup("--check")
    assert problem == "- SUBDOMAINS=true in .env is not valid: use yes or no"


def test_separate_origins_need_wildcard_dns(folder: Folder) -> None:
    """A random name below that of the hub is looked up; the message names the missing record."""
    names = folder.program("getent", 'echo "$2" >>"$0.asked"; exit 2')
    settings = {"PUBLIC_URL": "http://class.test", "SUBDOMAINS": "yes", "PORT": free_port()}
    _plain_http, problem, _ = folder.setup("--defaults", **settings)
    assert problem == (
        "- SUBDOMAINS=yes: names below class.test do not resolve: add a DNS record *.class.test"
        " with the address of this machine"
    )
    folder.setup("--check")
    asked = Path(f"{names}.asked").read_text().splitlines()
    assert len(set(asked)) == 2
    assert all(re.fullmatch(r"check-[0-9a-f]{8}\.class\.test", name) for name in asked)
    folder.program("getent", "echo 192.0.2.1")
    _plain_http, no_docker = folder.setup("--check")
    assert no_docker.startswith(NO_DOCKER)


def test_caddy_needs_a_wildcard_certificate(folder: Folder) -> None:
    """It cannot obtain one itself, so missing files and other names are reported."""
    settings = {"PUBLIC_URL": "https://class.test", "SUBDOMAINS": "yes"}
    problems = folder.setup("--defaults", **settings)
    assert problems[:2] == [
        f"- docker/certificates/{name}.pem is missing: put a certificate for class.test and"
        " *.class.test there, and its key; see docs/deployment.md"
        for name in ("fullchain", "privkey")
    ]
    certificates = folder.path / "certificates"
    certificates.mkdir()
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder.program("openssl", f'exec {openssl} "$@"')
    make = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=class.test"]
    make += ["-keyout", str(certificates / "privkey.pem")]
    make += ["-out", str(certificates / "fullchain.pem"), "-addext"]
    subprocess.run([*make, "subjectAltName=DNS:class.test"], capture_output=True, check=True)
    problem, *_ = folder.setup("--check")
    assert problem.startswith("- docker/certificates/fullchain.pem is not valid for *.class.test")
    names = "subjectAltName=DNS:class.test,DNS:*.class.test"
    subprocess.run([*make, names], capture_output=True, check=True)
    assert not [each for each in folder.setup("--check") if "certificate" in each]
    with (folder.path / ".env").open("a") as file:
        file.write("TLS_CERTIFICATE=\nTLS_WILDCARD=\n")
    problems = folder.setup("--check")
    assert problems[0] == "- SUBDOMAINS=yes: set TLS_WILDCARD=*.class.test in .env"
    assert problems[1].startswith("- SUBDOMAINS=yes: Caddy cannot obtain a wildcard certificate")


def test_certificates_need_a_host_name(folder: Folder) -> None:
    """Caddy would interpret an empty name as a different configuration."""
    folder.setup("--defaults", PORT=free_port())
    with (folder.path / ".env").open("a") as file:
        file.write("COMPOSE_PROFILES=monitoring,tls\n")
    problems = folder.setup("--check")
    assert problems[0].startswith("- TLS_HOST is empty: set it in .env to the hub's host name")


def test_check_creates_nothing(folder: Folder) -> None:
    """It reports missing files and how to create them."""
    problems = folder.setup("--check")
    assert problems[0] == "- .env is missing: run docker/setup"
    assert "- secrets/proxy_token is missing: run docker/setup" in problems
    assert not (folder.path / ".env").exists()
    assert not list(folder.path.glob("secrets/*"))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "cull_token",
            "abcdef",
            "- secrets/cull_token is too short: it needs at least 32 characters; delete",
        ),
        ("cull_token", "", "- secrets/cull_token is too short"),
        (
            "user_password",
            "1234567",
            "- secrets/user_password is too short: it needs at least 8 characters",
        ),
    ],
)
def test_a_short_secret_is_rejected(folder: Folder, name: str, text: str, expected: str) -> None:
    """The file is kept; the message names it and the remedy, but never its content."""
    port = free_port()
    folder.setup("--defaults", PORT=port)
    folder.secret(name).unlink()
    folder.secret(name).write_text(text + "\n")
    short, no_docker = folder.setup("--check")
    assert short.startswith(expected)
    assert no_docker.startswith(NO_DOCKER)
    assert not text or text not in short


@pytest.mark.parametrize("url", ["http://class.test", "http://192.0.2.1"])
def test_plain_http_needs_a_decision(folder: Folder, url: str) -> None:
    """The services show no pages over plain HTTP unless the administrator allows it."""
    problem, _ = folder.setup("--defaults", PUBLIC_URL=url, PORT=free_port())
    assert problem.startswith(f"- PUBLIC_URL={url}: without https, browsers do not say")
    settings = folder.path / ".env"
    with settings.open("a") as file:
        file.write("ALLOW_PLAIN_HTTP=yes\n")
    (no_docker,) = folder.setup("--check")
    assert no_docker.startswith(NO_DOCKER)
    with settings.open("a") as file:
        file.write("ALLOW_PLAIN_HTTP=true\n")
    problem, _ = folder.setup("--check")
    assert problem == "- ALLOW_PLAIN_HTTP=true in .env is not valid: use yes or no"


def test_plain_http_can_be_allowed_in_the_environment(folder: Folder) -> None:
    """Like every other setting."""
    settings = {"PUBLIC_URL": "http://class.test", "ALLOW_PLAIN_HTTP": "yes", "PORT": free_port()}
    (no_docker,) = folder.setup("--defaults", **settings)
    assert no_docker.startswith(NO_DOCKER)
    assert "ALLOW_PLAIN_HTTP=yes" in (folder.path / ".env").read_text().splitlines()


def test_google_needs_https_and_a_client(folder: Folder) -> None:
    """Each message says where to create the client and which redirect URI to enter there."""
    url = "http://class.test:18766"
    problems = folder.setup("--defaults", AUTHENTICATOR="google", PUBLIC_URL=url)
    client, secret, https = [each for each in problems if not each.startswith(NO_DOCKER)]
    assert client == (
        "- secrets/client_id is empty: create it at console.cloud.google.com with the redirect"
        f" URI {url}/hub/oauth_callback"
    )
    assert secret.startswith("- secrets/client_secret is empty")
    assert https.startswith(f"- PUBLIC_URL={url}: Google redirects users only to https addresses")


@pytest.mark.skipif(shutil.which("ss") is None, reason="needs ss, of iproute2")
def test_a_port_in_use_is_reported(folder: Folder) -> None:
    """The message names the setting that moves the hub to another port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        problems = folder.setup("--defaults", PORT=str(port))
    assert problems[1] == (
        f"- port {port} is in use by another program: stop it, or set PORT=8001 in .env"
    )


def test_an_invalid_certificate_setting_is_rejected(folder: Folder) -> None:
    """The exit status is 2, and no settings are written."""
    done = subprocess.run(
        [str(folder.path / "setup"), "--defaults"],
        env={"PATH": os.environ["PATH"], "PUBLIC_URL": "https://class.test", "TLS": "cady"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "docker/setup: invalid value TLS=cady; use caddy or own\n"
    assert not (folder.path / ".env").exists()


def test_help_lists_the_options(folder: Folder) -> None:
    """It works from any folder, and creates no files."""
    done = subprocess.run(
        [os.path.relpath(folder.path / "setup", folder.path.parent), "--help"],
        cwd=folder.path.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "docker/setup --defaults" in done.stdout
    assert "docker/setup --check" in done.stdout
    assert not {".env", "etc", "secrets"} & set(os.listdir(folder.path))


def test_an_unknown_option_is_rejected(folder: Folder) -> None:
    """The exit status is 2, and no files are created."""
    done = subprocess.run(
        [str(folder.path / "setup"), "--chekc"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "docker/setup: unknown option --chekc; see docker/setup --help\n"
    assert not {".env", "etc", "secrets"} & set(os.listdir(folder.path))
