"""Durations in settings: numbers, words, never, and what is refused."""

import pytest

from common.config.seconds import Seconds
from common.config.sources import Configured


class Example(Configured):
    """One setting of each kind."""

    timeout = Seconds(600, never=None, zero="0 is too short", min=1).tag(config=True)
    limit = Seconds(0, never=0).tag(config=True)
    pause = Seconds(60, min=10).tag(config=True)
    config_file = ""
    aliases = {name: f"Example.{name}" for name in ("timeout", "limit", "pause")}  # noqa: RUF012 - traitlets' own shape


def configured(**options: str) -> Example:
    example = Example()
    example.configure(list(options.items()))
    return example


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("45m", 2700), ("1h 30m", 5400), ("2d", 172800), ("never", None), ("NEVER", None)],
)
def test_command_line(text: str, seconds: int | None) -> None:
    """A time is a number of seconds, a duration, or never."""
    example = configured(timeout=text)
    assert (example.timeout, example.mistakes) == (seconds, [])


@pytest.mark.parametrize("value", ["45m", 2700])
def test_configuration_file(value: object) -> None:
    """A configuration file accepts the same words."""
    example = Example()
    example.timeout = value
    assert example.timeout == 2700


def test_never_can_be_zero() -> None:
    """A limit of 0 is no limit."""
    assert configured(limit="never").limit == 0


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"timeout": "0"}, "--timeout: 0 is too short."),
        ({"timeout": "0s"}, "--timeout: 0 is too short."),
        (
            {"timeout": "2 hourz"},
            "--timeout: '2 hourz': write seconds (600) or a duration such as \"45m\","
            ' "1h 30m" or "2d", or "never".',
        ),
        ({"pause": "never"}, '--pause: "never" has no meaning here; write a number of seconds.'),
        ({"pause": "1.5"}, "--pause: '1.5' is not a whole number of seconds."),
        ({"pause": "5"}, "--pause: must be a number from 10 to 316224000, not '5'."),
    ],
)
def test_mistakes(options: dict[str, str], mistake: str) -> None:
    """Each says what to write, and the setting keeps its default."""
    example = configured(**options)
    assert example.mistakes == [mistake]
    assert (example.timeout, example.pause) == (600, 60)


def test_a_wrong_type_in_a_configuration_file() -> None:
    """A value of another type is named with what to write."""
    example = Example()
    example._set("timeout", example.traits()["timeout"], ["1h"])
    [mistake] = example.mistakes
    assert mistake.startswith('--timeout: must be a time: seconds (600), or "45m"')
