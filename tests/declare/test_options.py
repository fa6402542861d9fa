"""The options of a declaration and their checks."""

from typing import Any

import pytest

from services.declare.options import as_flags, option_problems
from tests.declare.declared import problems


def test_a_list_repeats_its_flag() -> None:
    """A flag with a list of values is repeated for each value."""
    assert as_flags({"only": ["a", "b"], "rate": 1.5}) == ["--only=a", "--only=b", "--rate=1.5"]


def test_a_set_repeats_its_flag() -> None:
    """As in the lists of names; in the same order every time."""
    assert list(option_problems({"exclude": {"test-*", "admin"}}, set())) == []
    assert as_flags({"exclude": {"test-*", "admin"}}) == ["--exclude=admin", "--exclude=test-*"]


def test_every_problem_at_once() -> None:
    """All invalid options of all services are reported in one error."""
    found = problems(
        cull={"port": "x", "url": "nonsense", "cull-every": 5, "timeout": {}},
        stats="yes",
        formgrader_proxy={"users": "ada"},
    )
    assert found == [
        "declare(): cull: \"port\" must be a port number, or 0 for a free one, not 'x'",
        'declare(): cull: "url" must be a URL such as http://127.0.0.1:9000, or False for no '
        "pages, not 'nonsense'",
        'declare(): cull: "cull-every" is not an option; write flags with underscores, such as '
        "cull_every",
        'declare(): cull: "timeout" must be a string, a number, True, False or a list of '
        "these, not {}",
        'declare(): cull: set "port" or "url", not both',
        "declare(): stats must be True, False or a dict of options, not 'yes'",
        "declare(): formgrader_proxy: \"users\" must be a list of names, not 'ada'",
    ]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"name": "Cull"}, "lower-case"),
        ({"name": "a/b"}, "lower-case"),
        ({"port": 70_000}, "port number"),
        ({"port": True}, "port number"),
        ({"url": "cull:8080"}, "must be a URL such as"),
        ({"url": "http://cull:port"}, "must be a URL such as"),
        ({"url": "http://[::1"}, "must be a URL such as"),
        ({"environment": {"A": 1}}, "dict of strings"),
        ({"display": "no"}, "True or False"),
        ({"cwd": "/no/such/directory"}, "directory that exists"),
        ({"user": "no-such-account"}, "system user that exists"),
        ({"admin_groups": [1]}, "list of names"),
        ({"service_per_course": ["course101"]}, "only available for formgrader_proxy"),
        ({"api_token": "a-long-secret"}, "runs elsewhere"),
        ({"api_token": "a-long-secret", "url": False, "timeout": 5}, "set timeout where you start"),
        ({"api_token": "short", "url": False}, "at least 8"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_one_problem(options: dict[str, Any], part: str) -> None:
    """Each invalid option is reported with what to write, and without the text of a token."""
    (found,) = problems(cull=options)
    assert part in found
    assert "secret" not in found
    assert "short" not in found
