"""What docker/'s hub waits for before it starts, and what it says of it."""

import socket

import pytest

from classroom_hub.waiting import wait_for
from common.errors import ConfigError


def test_nothing_is_said_of_what_is_there() -> None:
    """One try, and on."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as there:
        wait_for("the proxy's API", "127.0.0.1", there.getsockname()[1], 90, said.append)
    assert said == []


def test_what_comes_later_is_waited_for_and_named() -> None:
    """The line says what, where, for how long and why; it is told at once."""
    with socket.socket() as later:
        later.bind(("127.0.0.1", 0))
        port = later.getsockname()[1]
        said: list[str] = []

        def tell(line: str) -> None:
            said.append(line)
            later.listen()  # it comes when the waiting was told: no time decides

        wait_for("the proxy's API", "127.0.0.1", port, 90, tell)
    assert said == [
        f"The hub waits for the proxy's API at 127.0.0.1:{port}, up to 90 s: Connection refused"
    ]


def test_after_its_time_it_is_a_problem_that_names_the_place() -> None:
    """So that the hub ends with a line and not with a trace."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            wait_for("the database", "127.0.0.1", port, 0)
    (problem,) = caught.value.problems
    assert problem.startswith(f"the database at 127.0.0.1:{port} did not answer within 0 s")
    assert "Connection refused" in problem


def test_a_name_that_leads_nowhere_is_told_as_such() -> None:
    """In a swarm a service has no name while it has no task."""
    with pytest.raises(ConfigError) as caught:
        wait_for("the database", "db.invalid", 5432, 0)
    assert "db.invalid:5432" in caught.value.problems[0]
