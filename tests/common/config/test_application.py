"""The base application: where settings come from, and every mistake in them at once."""

import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from traitlets import Bool, Int, List, Unicode

from common.config import launch
from common.config.application import ServiceApp

GOOD = {
    "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api",
    "JUPYTERHUB_API_TOKEN": "s3cret-token-of-ours",
}


class IdleCuller(ServiceApp):
    """A service like the culler."""

    name = "cull"
    description = "Stops idle servers."
    examples = "python -m services.cull --timeout=3600"
    main_options = ("timeout", "cull-users", "url")
    timeout = Int(600, min=0, help="Seconds of idleness.").tag(config=True)
    cull_users = Bool(False, help="Cull users, too.").tag(config=True)
    names = List(Unicode(), help="Names.").tag(config=True)
    db_url = Unicode(help="Database.").tag(config=True)
    aliases = {  # noqa: RUF012 - traitlets' own shape
        **ServiceApp.aliases,
        "timeout": "IdleCuller.timeout",
        "cull-users": "IdleCuller.cull_users",
    }
    seen: "dict[str, Any]" = {}  # noqa: RUF012 - what main() saw

    async def main(self) -> int:
        for name in self.trait_names(config=True):
            self.seen[name] = getattr(self, name)
        self.seen["app"] = self
        return 0


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A clean environment that has all that is needed, and an empty directory."""
    import os

    for name in list(os.environ):
        if name.startswith("JUPYTERHUB_"):
            monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    IdleCuller.seen.clear()


def run(*argv: str) -> int:
    """Run the service to its end."""
    return launch.run(IdleCuller, list(argv))


def problems(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run a service whose settings are wrong; what it says."""
    assert run(*argv) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "s3cret" not in said.err
    return said.err


# -- sources


@pytest.mark.parametrize(
    ("argv", "timeout", "cull_users"),
    [
        ([], 600, False),
        (["--timeout=5"], 5, False),
        (["--timeout", "5"], 5, False),
        (["--IdleCuller.timeout=5"], 5, False),
        (["--cull-users"], 600, True),
        (["--cull-users=true"], 600, True),
        (["--cull-users", "true"], 600, True),
        (["--cull-users=false"], 600, False),
        (["--timeout=5", "--timeout=6"], 6, False),
    ],
)
def test_command_line(argv: list[str], timeout: int, cull_users: bool) -> None:
    """Flags are taken in every way that they may be written."""
    assert run(*argv) == 0
    assert (IdleCuller.seen["timeout"], IdleCuller.seen["cull_users"]) == (timeout, cull_users)


def test_environment_of_a_managed_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the Hub tells a service it starts is taken from the environment."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_NAME", "my-cull")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/base/services/my-cull/")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", "http://127.0.0.2:10101")
    monkeypatch.setenv("JUPYTERHUB_BASE_URL", "/base/")
    monkeypatch.setenv("JUPYTERHUB_HOST", "https://hub.example.org")
    monkeypatch.setenv("JUPYTERHUB_CLIENT_ID", "service-my-cull")
    monkeypatch.setenv("JUPYTERHUB_OAUTH_CALLBACK_URL", "/base/services/my-cull/oauth_callback")
    monkeypatch.setenv("JUPYTERHUB_OAUTH_ACCESS_SCOPES", '["access:services!service=my-cull"]')
    monkeypatch.setenv("JUPYTERHUB_REQUEST_TIMEOUT", "17")
    monkeypatch.setenv("JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED", "1")
    monkeypatch.setenv("JUPYTERHUB_COOKIE_OPTIONS", '{"secure": true}')
    assert run() == 0
    seen = IdleCuller.seen
    assert (seen["ip"], seen["port"], seen["request_timeout"]) == ("127.0.0.2", 10101, 17)
    settings = seen["app"].oauth_settings()
    assert settings.api_url == GOOD["JUPYTERHUB_API_URL"]
    assert settings.api_token == GOOD["JUPYTERHUB_API_TOKEN"]
    assert settings.client_id == "service-my-cull"
    assert settings.prefix == "/base/services/my-cull/"
    assert settings.redirect_path == "/base/services/my-cull/oauth_callback"
    assert settings.access_scopes == {"access:services!service=my-cull"}
    assert settings.public_hub_url == "https://hub.example.org/base/hub/"
    assert settings.cookie_host_prefix is True
    assert settings.cookie_options == {"secure": True}


def test_alone_without_the_hubs_environment() -> None:
    """Alone, a service has a prefix of its name, serves nothing, and lets nobody in."""
    assert run() == 0
    app = IdleCuller.seen["app"]
    assert (app.prefix, app.serves) == ("/services/cull/", False)
    assert app.oauth_settings().access_scopes == frozenset()


def test_config_file(tmp_path: Path) -> None:
    """A configuration file sets what the command line does not say."""
    (tmp_path / "c.py").write_text("c.IdleCuller.timeout = 7\nc.ServiceApp.port = 0\n")
    assert run("--config", "c.py", "--cull-users") == 0
    seen = IdleCuller.seen
    assert (seen["timeout"], seen["cull_users"], seen["port"]) == (7, True, 0)


def test_command_line_wins_over_the_file(tmp_path: Path) -> None:
    """A flag wins over the file, whichever class's section the file wrote."""
    (tmp_path / "c.py").write_text(
        "c.IdleCuller.url = 'http://file/hub/api'\nc.IdleCuller.log_level = 'ERROR'\n"
    )
    assert run("--config=c.py", "--url=http://flag/hub/api", "--debug") == 0
    assert IdleCuller.seen["url"] == "http://flag/hub/api"
    assert IdleCuller.seen["log_level"] == 10


def test_file_wins_over_the_environment(tmp_path: Path) -> None:
    """The file wins over the environment."""
    (tmp_path / "c.py").write_text("c.IdleCuller.url = 'http://file/hub/api'\n")
    assert run("--config=c.py") == 0
    assert IdleCuller.seen["url"] == "http://file/hub/api"


def test_json_config_file(tmp_path: Path) -> None:
    """A configuration file may be JSON."""
    (tmp_path / "c.json").write_text('{"IdleCuller": {"timeout": 8}}')
    assert run("--config=c.json") == 0
    assert IdleCuller.seen["timeout"] == 8


class WithDefaultFile(IdleCuller):
    """A service that looks for a file of its own."""

    config_file = Unicode("idle_culler_config.py").tag(config=True)


def test_default_config_file(tmp_path: Path) -> None:
    """A file of the default name is read if it is there, and not missed if it is not."""
    assert launch.run(WithDefaultFile, []) == 0
    (tmp_path / "idle_culler_config.py").write_text("c.IdleCuller.timeout = 9\n")
    assert launch.run(WithDefaultFile, []) == 0
    assert IdleCuller.seen["timeout"] == 9


def test_config_files_containers(tmp_path: Path) -> None:
    """traitlets' lazy containers (append and the like) work in the file."""
    (tmp_path / "c.py").write_text("c.IdleCuller.names.append('x')\n")
    assert run("--config=c.py") == 0
    assert IdleCuller.seen["names"] == ["x"]


def test_token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token may stand in a file, with a line's end."""
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
    (tmp_path / "token").write_text("abcdefgh\n")
    assert run("--token-file=token") == 0
    assert IdleCuller.seen["app"].token == "abcdefgh"


@pytest.mark.parametrize(
    ("written", "prefix"),
    [("/a/b/", "/a/b/"), ("/a/b", "/a/b/"), ("/", "/")],
)
def test_prefix(written: str, prefix: str) -> None:
    """The prefix has a slash at both ends, however it was written."""
    assert run(f"--service-prefix={written}") == 0
    assert IdleCuller.seen["app"].prefix == prefix


# -- mistakes


def test_all_mistakes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Flag, file, environment: every mistake is told in one go, with what to write instead."""
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
    monkeypatch.setenv("JUPYTERHUB_REQUEST_TIMEOUT", "soon")
    (tmp_path / "c.py").write_text("c.IdleCuller.timout = 7\nc.IdleCuller.names = 7\n")
    said = problems(
        capsys,
        "--config=c.py",
        "--timeuot=3",
        "--timeout=soon",
        "--port=99999",
        "--cull-users=maybe",
        "--url=ftp://x",
        "nonsense",
    )
    for part in (
        "--timeuot; did you mean --timeout?",
        "--timeout: must be a whole number, not 'soon'",
        "--port: must be a number from 0 to 65535, not '99999'",
        "--cull-users: must be true or false, not 'maybe'",
        "Unknown setting IdleCuller.timout; did you mean timeout?",
        "IdleCuller.names: must be a list",
        "--url: not the URL of a Hub API",
        "set JUPYTERHUB_API_TOKEN",
        "JUPYTERHUB_REQUEST_TIMEOUT must be a whole number",
        "Unknown command nonsense",
    ):
        assert part in said
    assert len(said.splitlines()) == 10
    assert all(line.startswith("cull: ") for line in said.splitlines())


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("JUPYTERHUB_API_URL", "", "--url="),
        ("JUPYTERHUB_API_URL", "127.0.0.1:8081", "not the URL"),
        ("JUPYTERHUB_API_TOKEN", "", "token is missing"),
        ("JUPYTERHUB_API_TOKEN", "s3cret with spaces", "spaces"),
        ("JUPYTERHUB_API_TOKEN", "s3cret\n", "spaces"),
        ("JUPYTERHUB_SERVICE_URL", "http://x:port", "JUPYTERHUB_SERVICE_URL"),
        ("JUPYTERHUB_SERVICE_URL", "nonsense", "JUPYTERHUB_SERVICE_URL"),
        ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", "access:services", "JSON list"),
        ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", '{"a": 1}', "JSON list"),
        ("JUPYTERHUB_COOKIE_OPTIONS", "secure", "JSON object"),
        ("JUPYTERHUB_REQUEST_TIMEOUT", "0", "whole number"),
        ("JUPYTERHUB_SERVICE_PREFIX", "services/x/", "--service-prefix"),
        ("JUPYTERHUB_SERVICE_PREFIX", "/a//b/", "--service-prefix"),
    ],
)
def test_wrong_environment(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    part: str,
) -> None:
    """Each variable that cannot be used is named, and its value not repeated if secret."""
    monkeypatch.setenv(name, value)
    said = problems(capsys)
    assert part in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("c.IdleCuller.timeout = \n", "c.py, line 1: "),
        ("\nc.IdleCuller.timeout = unknown\n", "c.py: line 2: NameError: name 'unknown'"),
        ("import nothing_like_this\n", "ModuleNotFoundError"),
        ("c.IdelCuller.timeout = 7\n", "c.IdelCuller is not a known section; did you mean c.Idle"),
    ],
)
def test_wrong_config_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, part: str
) -> None:
    """A broken configuration file is told by line, without a traceback."""
    (tmp_path / "c.py").write_text(text)
    assert part in problems(capsys, "--config=c.py")


def test_sections_of_others_are_left_alone(tmp_path: Path) -> None:
    """What a shared file says about other programs is none of our business."""
    (tmp_path / "c.py").write_text("c.JupyterHub.port = 1\nc.NativeAuthenticator.x = 2\n")
    assert run("--config=c.py") == 0


def test_missing_named_config_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A file named on the command line must be there."""
    assert "--config: nope.py does not exist" in problems(capsys, "--config=nope.py")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, "cannot be read"),
        ("", "is empty"),
        ("a b", "one token and nothing else"),
        ("a\nb", "one token"),
    ],
)
def test_wrong_token_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, part: str
) -> None:
    """A token file that is missing, empty or holds more than a token is told."""
    if text is not None:
        (tmp_path / "token").write_text(text)
    assert part in problems(capsys, "--token-file=token")


def test_secret_settings_are_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wrong value of a setting that may hold a secret is not shown."""
    (tmp_path / "c.py").write_text(
        "c.IdleCuller.api_token = ['s3cret']\nc.IdleCuller.db_url = {'s3cret': 1}\n"
    )
    said = problems(capsys, "--config=c.py")
    assert "--api-token" not in said
    assert "api_token" in said
    assert "db_url" in said


# -- TLS


def test_no_tls_by_default() -> None:
    """Plain HTTP needs no files."""
    assert run("--port=0") == 0
    app = IdleCuller.seen["app"]
    assert (app.hub_tls, app.server_tls) == (None, None)


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_nonsense_tls_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    """TLS files that are missing or hold something else are told at start, all of them."""
    names = ["key.pem", "cert.pem", "ca.pem"]
    for name in names if content else ():
        (tmp_path / name).write_text(content or "")
    said = problems(capsys, "--ssl-key=key.pem", "--ssl-cert=cert.pem", "--ssl-ca=ca.pem")
    assert all(option in said for option in ("--ssl-key", "--ssl-cert", "--ssl-ca"))


def test_key_without_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key needs its certificate."""
    (tmp_path / "key.pem").touch()
    assert "must be used together" in problems(capsys, "--ssl-key=key.pem")


def test_internal_certs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--ssl-enabled takes the Hub's own certificates from where they are, or says so."""
    said = problems(capsys, "--ssl-enabled", "--internal-certs-location=certs")
    assert "--internal-certs-location: certs/hub-internal/hub-internal.key does not exist" in said
    make_certificates(tmp_path / "certs")
    assert run("--ssl-enabled=true", "--internal-certs-location=certs") == 0
    tls = IdleCuller.seen["app"].hub_tls
    assert isinstance(tls.client_context(), ssl.SSLContext)
    assert tls.cafile == "certs/hub-ca/hub-ca.crt"


def test_started_by_the_hub_without_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub then names an address with port 0 all the same: nothing is served."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_NAME", "cull")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", "http://127.0.0.1:0/")
    monkeypatch.setenv("JUPYTERHUB_OAUTH_CALLBACK_URL", "oauth_callback")
    assert run() == 0
    assert not IdleCuller.seen["app"].serves


def test_internal_ssl_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With internal_ssl the Hub names key, certificate and authority; both ways use them."""
    make_certificates(tmp_path / "certs")
    monkeypatch.setenv("JUPYTERHUB_API_URL", "https://127.0.0.1:8081/hub/api")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", "https://127.0.0.1:10101")
    monkeypatch.setenv("JUPYTERHUB_SSL_KEYFILE", "certs/hub-internal/hub-internal.key")
    monkeypatch.setenv("JUPYTERHUB_SSL_CERTFILE", "certs/hub-internal/hub-internal.crt")
    monkeypatch.setenv("JUPYTERHUB_SSL_CLIENT_CA", "certs/hub-ca/hub-ca.crt")
    assert run() == 0
    app = IdleCuller.seen["app"]
    assert app.hub_tls == app.server_tls
    assert isinstance(app.server_tls.server_context(), ssl.SSLContext)


def make_certificates(directory: Path) -> None:
    """An authority and the Hub's own certificate, laid out as JupyterHub does."""
    from certipy import Certipy  # type: ignore[import-untyped]  # no types

    certipy = Certipy(store_dir=str(directory))
    certipy.create_ca("hub-ca", overwrite=True)
    certipy.create_signed_pair("hub-internal", "hub-ca", alt_names=["IP:127.0.0.1"], overwrite=True)


# -- help


def test_help_is_short_and_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    """--help fits a screen, with the options that matter and an example to copy."""
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) < 40
    assert "python -m services.cull --timeout=3600" in text
    assert "--timeout=NUMBER" in text
    assert "--cull-users[=true|false]" in text
    assert "--internal-certs-location" not in text


def test_help_all_shows_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """--help-all shows every option there is."""
    assert run("--help-all") == 0
    text = capsys.readouterr().out
    for option in (*IdleCuller.aliases, *IdleCuller.flags):
        assert f"--{option}" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version tells the version alone."""
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == IdleCuller.version


def test_generate_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--generate-config prints a file that can be read back, without any secret in it."""
    assert run("--generate-config") == 0
    text = capsys.readouterr().out
    assert "# Seconds of idleness.\n# c.IdleCuller.timeout = 600\n" in text
    assert "# c.IdleCuller.port = None" in text
    assert "# c.IdleCuller.request_timeout = 60" in text  # what holds without the line
    assert "# c.IdleCuller.service_prefix = '/services/cull/'" in text
    assert "# c.IdleCuller.log_level = " in text
    assert "log_datefmt" not in text
    assert "s3cret" not in text
    (tmp_path / "made.py").write_text(text)
    assert run("--config=made.py") == 0


def test_import_is_cheap() -> None:
    """The base application pulls in nothing of JupyterHub, aiohttp.web, Jinja or SQLAlchemy."""
    code = (
        "import sys, common.config.application; "
        "print([m for m in ('jupyterhub', 'aiohttp.web', 'jinja2', 'sqlalchemy', 'tornado',"
        " 'prometheus_client') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
