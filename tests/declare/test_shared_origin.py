"""The warning that the services share an origin with users' servers."""

from typing import Any

import pytest
from traitlets.config import Config

from services.declare import declare


def warnings_of(caplog: pytest.LogCaptureFixture, c: Config, **services: Any) -> list[str]:
    """What declare() logs for these services."""
    caplog.clear()
    declare(c, **services)
    return [record.getMessage() for record in caplog.records]


def test_one_warning_names_the_gain_and_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    """However many services are declared, and however often."""
    c = Config()
    (warning,) = warnings_of(caplog, c, cull=True, stats=True)
    assert "c.JupyterHub.subdomain_host" in warning
    assert "a page on a student's server" in warning
    assert warnings_of(caplog, c, cull={"name": "other"}) == []


@pytest.mark.parametrize(
    ("host", "services"),
    [
        pytest.param("https://hub.example.org", {"cull": True, "stats": True}, id="subdomains"),
        pytest.param("", {"cull": {"url": False}}, id="no-pages"),
        pytest.param("", {}, id="no-services"),
    ],
)
def test_no_warning(caplog: pytest.LogCaptureFixture, host: str, services: dict[str, Any]) -> None:
    """With separate origins, or without pages."""
    c = Config()
    if host:
        c.JupyterHub.subdomain_host = host
    assert warnings_of(caplog, c, **services) == []
