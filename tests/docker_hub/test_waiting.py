"""How the hub in docker/ waits for the database and the proxy at startup."""

import socket

import pytest

from classroom_hub.waiting import wait_for
from common.errors import ConfigError


def test_an_open_port_is_not_logged() -> None:
    """The function returns after the first attempt."""
    logged: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wait_for("the proxy's API", "127.0.0.1", listener.getsockname()[1], 90, logged.append)
    assert logged == []


def test_a_port_that_opens_later_is_logged_at_once() -> None:
    """The line says what the hub waits for, where, how long and why."""
    with socket.socket() as later:
        later.bind(("127.0.0.1", 0))
        port = later.getsockname()[1]
        logged: list[str] = []

        def log(line: str) -> None:
            logged.append(line)
            later.listen()  # open the port only now, so that no timing is involved

        wait_for("the proxy's API", "127.0.0.1", port, 90, log)
    assert logged == [
        f"Waiting for the proxy's API at 127.0.0.1:{port} (up to 90 s): Connection refused"
    ]


def test_the_time_limit_is_a_configuration_error() -> None:
    """The hub then exits with one message instead of a traceback."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            wait_for("the database", "127.0.0.1", port, 0)
    (problem,) = caught.value.problems
    assert problem.startswith(f"the database at 127.0.0.1:{port} did not respond within 0 s")
    assert "Connection refused" in problem


def test_an_unknown_host_name_is_reported() -> None:
    """In a swarm, a service without a task has no DNS entry."""
    with pytest.raises(ConfigError) as caught:
        wait_for("the database", "db.invalid", 5432, 0)
    assert "db.invalid:5432" in caught.value.problems[0]
