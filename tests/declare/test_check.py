"""What is wrong with a service's flags, files and packages, found before the Hub starts it."""

import logging
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from services.declare import declare
from services.stats.app import StatsApp
from tests.declare.declared import service


def reported(caplog: pytest.LogCaptureFixture, **arguments: Any) -> list[str]:
    """The errors that ``declare`` logs; the services are declared nevertheless."""
    c = Config()
    c.JupyterHub.subdomain_host = "https://hub.example.org"
    with caplog.at_level(logging.ERROR, logger="declare"):
        declare(c, **arguments)
    assert len(c.JupyterHub.services) == len(arguments)
    return [record.getMessage() for record in caplog.records if record.name == "declare"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"cull": {"timout": 5}}, ["Unknown option --timout; did you mean --timeout?"]),
        ({"cull": {"timeout": "2 hourz"}}, ["--timeout", '"45m"']),
        ({"cull": {"policy": "/no/such/policy.toml"}}, ["--policy", "/no/such/policy.toml"]),
        ({"stats": {"timezone": "Berlin"}}, ["--timezone", "Europe/Berlin"]),
        ({"formgrader_proxy": True}, ["--courses is missing"]),
        ({"formgrader_proxy": {"courses": "/no/such.toml"}}, ["/no/such.toml"]),
        ({"formgrader_proxy": {"stats_url": "http://[::1"}}, ["--stats-url: use a URL"]),
        ({"stats": {"config": "c" * 5000}}, ["--config", "File name too long"]),
        (
            {"cull": {"timeout": 0, "cull_every": 0, "db_url": "mysql://u:hunter2@db/x"}},
            ["--timeout: 0", "--cull-every: 0", "--db-url"],
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_reported_together(
    caplog: pytest.LogCaptureFixture, arguments: dict[str, Any], parts: list[str]
) -> None:
    """One error for each service says what is wrong; the Hub starts all the same."""
    (said,) = reported(caplog, **arguments)
    assert "The Hub starts" in said
    for part in parts:
        assert part in said
    assert "hunter2" not in said


def test_a_bug_does_not_take_the_hub_down(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever one service makes of its settings, the Hub starts."""

    def fail(_app: StatsApp) -> list[str]:
        raise ValueError("hunter2")

    monkeypatch.setattr(StatsApp, "own_problems", fail)
    (said,) = reported(caplog, stats={"timezone": "hunter2"})
    assert "internal error while reading the settings: ValueError" in said
    assert "hunter2" not in said


def test_words_are_fine(caplog: pytest.LogCaptureFixture) -> None:
    """Durations can be written as in the policy file."""
    assert reported(caplog, cull={"timeout": "1h", "max_age": "never", "settle": "6m"}) == []


def test_relative_paths(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Files are looked up where the service will run."""
    (tmp_path / "cull.toml").write_text('[[rule]]\nname = "a"\nidle_timeout = "1h"\n')
    assert reported(caplog, cull={"policy": "cull.toml", "cwd": str(tmp_path)}) == []


def test_services_elsewhere_are_not_checked(caplog: pytest.LogCaptureFixture) -> None:
    """Their files and packages are on another machine."""
    elsewhere = {"url": False, "api_token": "a-long-secret", "policy": "/etc/cull.toml"}
    assert reported(caplog, cull=elsewhere) == []


@pytest.mark.parametrize(
    "command",
    [
        ["python3", "-m", "jupyterhub_idle_culler"],
        ["/opt/bin/jupyterhub-idle-culler", "--timeout=9"],
    ],
)
def test_another_culler(command: list[str]) -> None:
    """jupyterhub-idle-culler would ignore holds and rules."""
    c = Config()
    c.JupyterHub.services = [{"name": "idle-culler", "command": command}]
    with pytest.warns(UserWarning, match="jupyterhub-idle-culler is declared, too"):
        declare(c, cull={"url": False})
    assert [each["name"] for each in c.JupyterHub.services] == ["idle-culler", "cull"]
    assert service(c, "cull")
