"""Errors that report what happened without revealing a secret."""

import pytest

from common import errors
from common.errors import ConfigError, RequestError, without_query


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://hub/hub/api/users?offset=2", "http://hub/hub/api/users"),
        ("http://hub/callback?code=s3cret&state=s3cret", "http://hub/callback"),
        ("http://me:s3cret@hub:8081/hub/api#s3cret", "http://hub:8081/hub/api"),
        ("http://hub/users/q%3Fx%3D1", "http://hub/users/q%3Fx%3D1"),
    ],
)
def test_secrets_are_removed_from_urls(url: str, shown: str) -> None:
    """Query, fragment and user information are removed; quoted names stay quoted."""
    assert without_query(url) == shown
    error = RequestError("failed", method="GET", url=url, status=500)
    assert (error.url, error.status, error.method) == (shown, 500, "GET")
    assert str(error) == f"failed (GET {shown})"
    assert "s3cret" not in f"{error!r} {error.args}"


def test_a_config_error_holds_every_problem() -> None:
    """All problems are reported together, so that they can be fixed in one go."""
    error = ConfigError(["--a: is missing.", "--b: is wrong."])
    assert error.problems == ("--a: is missing.", "--b: is wrong.")
    assert str(error) == "--a: is missing.; --b: is wrong."


def test_the_tree_is_as_drawn() -> None:
    """The docstring draws every error below its base class."""
    assert errors.__doc__ is not None
    drawn, path = {}, ["ServiceError"]
    for line in errors.__doc__.splitlines():
        before, mark, rest = line.partition("── ")
        if mark:
            depth = len(before) // 4
            path[depth:] = [rest.split()[0]]
            drawn[path[-1]] = path[-2]
    defined = {
        name: value.__base__.__name__
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ServiceError) and value.__base__
    }
    del defined["ServiceError"]
    assert drawn == defined
