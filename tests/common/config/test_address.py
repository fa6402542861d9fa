"""A service's address, prefix and TLS files."""

import ssl
from pathlib import Path

import pytest

from tests.common.config.conftest import IdleCuller, problems, run


def test_alone_without_the_hubs_environment() -> None:
    """Without the Hub's environment, a service serves no pages."""
    assert run() == 0
    app = IdleCuller.seen["app"]
    assert (app.prefix, app.serves) == ("/services/cull/", False)


@pytest.mark.parametrize(("flags", "name"), [((), "cull"), (("--service-name=idle",), "idle")])
def test_the_name_decides_who_has_access(flags: tuple[str, ...], name: str) -> None:
    """A service that runs elsewhere has no JUPYTERHUB_OAUTH_ACCESS_SCOPES."""
    assert run("--port=0", *flags) == 0
    settings = IdleCuller.seen["app"].oauth_settings()
    assert settings.access_scopes == {f"access:services!service={name}"}
    assert settings.client_id == f"service-{name}"


@pytest.mark.parametrize(
    ("written", "prefix"),
    [("/a/b/", "/a/b/"), ("/a/b", "/a/b/"), ("/", "/")],
)
def test_prefix(written: str, prefix: str) -> None:
    """The prefix has a slash at both ends, however it is written."""
    assert run(f"--service-prefix={written}") == 0
    assert IdleCuller.seen["app"].prefix == prefix


def test_started_by_the_hub_without_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL the Hub passes port 0, and no pages are served."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_NAME", "cull")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", "http://127.0.0.1:0/")
    monkeypatch.setenv("JUPYTERHUB_OAUTH_CALLBACK_URL", "oauth_callback")
    assert run() == 0
    assert not IdleCuller.seen["app"].serves


def test_no_tls_by_default() -> None:
    """Plain HTTP uses no TLS files."""
    assert run("--port=0") == 0
    app = IdleCuller.seen["app"]
    assert (app.hub_tls, app.server_tls) == (None, None)


def test_internal_certs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--ssl-enabled uses the Hub's own certificates and reports missing ones."""
    output = problems(capsys, "--ssl-enabled", "--internal-certs-location=certs")
    assert "--internal-certs-location: certs/hub-internal/hub-internal.key does not exist" in output
    make_certificates(tmp_path / "certs")
    assert run("--ssl-enabled=true", "--internal-certs-location=certs") == 0
    tls = IdleCuller.seen["app"].hub_tls
    assert isinstance(tls.client_context(), ssl.SSLContext)
    assert tls.cafile == "certs/hub-ca/hub-ca.crt"


def test_internal_ssl_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With internal_ssl, the Hub's files are used both for connecting and for serving."""
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
    """Create an authority and the Hub's certificate in JupyterHub's layout."""
    from certipy import Certipy  # type: ignore[import-untyped]  # no types

    certipy = Certipy(store_dir=str(directory))
    certipy.create_ca("hub-ca", overwrite=True)
    certipy.create_signed_pair("hub-internal", "hub-ca", alt_names=["IP:127.0.0.1"], overwrite=True)
