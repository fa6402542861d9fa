"""Settings from the environment, and checks of them."""

from pathlib import Path

import pytest

from tests.common.config.conftest import GOOD, IdleCuller, problems, run


def test_environment_of_a_managed_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A managed service takes all of its settings from the environment."""
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


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("JUPYTERHUB_API_URL", "", "--url="),
        ("JUPYTERHUB_API_URL", "127.0.0.1:8081", "not the URL"),
        ("JUPYTERHUB_API_URL", "http://hub:notaport/hub/api", "not the URL"),
        ("JUPYTERHUB_API_URL", "http://[::1/hub/api", "not the URL"),
        ("JUPYTERHUB_API_URL", "http://ada:s3cret@hub:8081/hub/api", "not the URL"),
        ("JUPYTERHUB_API_URL", "http://hub 1/hub/api", "not the URL"),
        ("JUPYTERHUB_API_URL", "http://hub/hub/api?limit=1", "not the URL"),
        ("JUPYTERHUB_API_URL", "http+unix:///hub/api", "not the URL"),
        ("JUPYTERHUB_API_TOKEN", "", "token is missing"),
        ("JUPYTERHUB_API_TOKEN", "s3cret with spaces", "spaces"),
        ("JUPYTERHUB_API_TOKEN", "s3cret\n", "spaces"),
        ("JUPYTERHUB_SERVICE_URL", "http://x:port", "JUPYTERHUB_SERVICE_URL"),
        ("JUPYTERHUB_SERVICE_URL", "nonsense", "JUPYTERHUB_SERVICE_URL"),
        ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", "access:services", "JSON list"),
        ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", '{"a": 1}', "JSON list"),
        ("JUPYTERHUB_COOKIE_OPTIONS", "secure", "JSON object"),
        ("JUPYTERHUB_COOKIE_OPTIONS", "[]", "JSON object"),
        ("JUPYTERHUB_REQUEST_TIMEOUT", "0", "whole number"),
        ("JUPYTERHUB_SERVICE_PREFIX", "services/x/", "--service-prefix"),
        ("JUPYTERHUB_SERVICE_PREFIX", "/a//b/", "--service-prefix"),
        ("JUPYTERHUB_SERVICE_PREFIX", "/a/../b/", "--service-prefix"),
        ("JUPYTERHUB_SERVICE_PREFIX", "/{a/", "--service-prefix"),
        ("JUPYTERHUB_SERVICE_PREFIX", "/a\nb/", "--service-prefix"),
        ("JUPYTERHUB_BASE_URL", "jupyter", "--base-url"),
        ("JUPYTERHUB_HOST", "hub.example.org", "--public-hub-url"),
    ],
)
def test_wrong_environment(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    part: str,
) -> None:
    """Each invalid variable is named; the value of a secret one is not shown."""
    monkeypatch.setenv(name, value)
    output = problems(capsys)
    assert part in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JUPYTERHUB_API_URL", "https://hub.example.org:8443/@/a%20b/hub/api"),
        ("JUPYTERHUB_API_URL", "http://[::1]:8081/hub/api/"),
        ("JUPYTERHUB_API_URL", "http+unix://%2Frun%2Fhub.sock/hub/api"),
        ("JUPYTERHUB_COOKIE_OPTIONS", "{}"),
        ("JUPYTERHUB_SERVICE_PREFIX", "/@/a%20b/services/käse/"),
        ("JUPYTERHUB_HOST", "https://hub.example.org"),
    ],
)
def test_unusual_environment(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Values that look odd but are valid are accepted."""
    monkeypatch.setenv(name, value)
    assert run() == 0


def test_impossible_token_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file name that no file can have is reported like a missing file."""
    (tmp_path / "c.py").write_text("c.IdleCuller.token_file = 'a\\0b'\n")
    assert "--token-file" in problems(capsys, "--config=c.py")


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
    """A token file that is missing, empty or contains more than a token is reported."""
    if text is not None:
        (tmp_path / "token").write_text(text)
    assert part in problems(capsys, "--token-file=token")


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_nonsense_tls_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    """All TLS files that are missing or invalid are reported at startup."""
    names = ["key.pem", "cert.pem", "ca.pem"]
    for name in names if content else ():
        (tmp_path / name).write_text(content or "")
    output = problems(capsys, "--ssl-key=key.pem", "--ssl-cert=cert.pem", "--ssl-ca=ca.pem")
    assert all(option in output for option in ("--ssl-key", "--ssl-cert", "--ssl-ca"))


def test_key_without_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key needs its certificate."""
    (tmp_path / "key.pem").touch()
    assert "must be used together" in problems(capsys, "--ssl-key=key.pem")
