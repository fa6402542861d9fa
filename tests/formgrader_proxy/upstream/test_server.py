"""The configuration of a course's Jupyter server."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbgrader")
from services.formgrader_proxy.rendering.configure import EXTENSION
from services.formgrader_proxy.upstream import server

START: dict[str, Any] = {
    "course_id": "c1",
    "base_url": "/services/formgrader/c1/",
    "listener": 5,
    "token": "secret",
    "db_url": None,
}


def test_it_serves_the_formgrader_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One extension, which renders safely, no terminals, and no settings of the user."""
    monkeypatch.chdir(tmp_path)
    config = server.configuration(START)
    assert config.ServerApp.jpserver_extensions == {EXTENSION: True}
    assert config.ServerApp.terminals_enabled is False
    assert config.ServerApp.base_url == START["base_url"]
    assert config.IdentityProvider.token == "secret"
    assert config.CourseDirectory.root == str(tmp_path)
    assert config.CourseDirectory.course_id == "c1"
    assert "db_url" not in config.CourseDirectory
    assert "root" not in config.Exchange
    assert config.FormgradeExtension.debug is False
    assert set(server.FormgraderServer.default_services) == {"security"}


def test_with_an_inherited_socket_it_has_no_port() -> None:
    """It listens nowhere else."""
    config = server.configuration(START)
    assert config.ServerApp.sock == "inherited"
    assert "port" not in config.ServerApp


def test_its_cookie_secret_is_only_in_memory() -> None:
    """A file with it would be as good as the token."""
    first, second = (server.configuration(START).ServerApp.cookie_secret for _ in range(2))
    assert len(first) == 32
    assert first != second


def test_an_inherited_socket_is_not_inherited_again() -> None:
    """Kernels and other programs that the server starts do not get it."""
    with socket.socket(socket.AF_UNIX) as listening:
        copy = os.dup(listening.fileno())
        os.set_inheritable(copy, True)
        with server.inherited_socket(copy) as found:
            assert found.fileno() == copy
            assert not found.get_inheritable()


def test_in_a_container_it_has_a_port_and_an_exchange() -> None:
    """Instead of a socket; the port must be exactly this one."""
    start = {key: value for key, value in START.items() if key != "listener"}
    start |= {"address": "0.0.0.0", "port": 8888, "exchange": "/srv/exchange"}  # noqa: S104
    config = server.configuration(start)
    assert "sock" not in config.ServerApp
    assert (config.ServerApp.ip, config.ServerApp.port) == ("0.0.0.0", 8888)  # noqa: S104
    assert config.ServerApp.port_retries == 0
    assert config.Exchange.root == "/srv/exchange"


def test_a_gradebook_url_is_passed_on() -> None:
    """With a driver where it is needed."""
    config = server.configuration(START | {"db_url": "sqlite:////srv/gradebook.db"})
    assert config.CourseDirectory.db_url == "sqlite:////srv/gradebook.db"
