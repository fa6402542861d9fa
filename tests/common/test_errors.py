"""Errors that say what happened and give nothing away."""

import pytest

from common import errors
from common.errors import (
    ConfigError,
    HubError,
    ProxyError,
    RequestError,
    StoreError,
    without_query,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://hub/hub/api/users?offset=2", "http://hub/hub/api/users"),
        ("http://hub/callback?code=s3cret&state=s3cret", "http://hub/callback"),
        ("http://me:s3cret@hub:8081/hub/api#s3cret", "http://hub:8081/hub/api"),
        ("http://hub/users/q%3Fx%3D1", "http://hub/users/q%3Fx%3D1"),
    ],
)
def test_a_url_is_kept_without_what_may_be_secret(url: str, shown: str) -> None:
    """Query, fragment and user information go; quoted names stay quoted."""
    assert without_query(url) == shown
    error = RequestError("failed", method="GET", url=url, status=500)
    assert (error.url, error.status, error.method) == (shown, 500, "GET")
    assert str(error) == f"failed (GET {shown})"
    assert "s3cret" not in f"{error!r} {error.args}"


def test_a_wrong_configuration_tells_every_problem() -> None:
    """All at once, so that nobody mends them one start at a time."""
    error = ConfigError(["--a: is missing.", "--b: is wrong."])
    assert error.problems == ("--a: is missing.", "--b: is wrong.")
    assert "--a: is missing." in str(error)


def test_the_tree_is_as_drawn() -> None:
    """What the docstring draws is what there is."""
    assert errors.__doc__ is not None
    drawn = {
        line.split("── ")[1].split()[0] for line in errors.__doc__.splitlines() if "── " in line
    }
    made = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ServiceError)
    }
    assert drawn == made - {"ServiceError", "RequestError"}
    for name in drawn - {"ConfigError"}:
        family = {"Hub": HubError, "Sto": StoreError}.get(name[:3], ProxyError)
        assert issubclass(getattr(errors, name), family)
