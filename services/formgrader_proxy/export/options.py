"""How grades are exported: the format, and what a cell without a final score contains. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from common.errors import ConfigError

T = TypeVar("T", bound=StrEnum)


class Format(StrEnum):
    """The format of the file."""

    CSV = "csv"
    MOODLE = "moodle"
    CANVAS = "canvas"


class Missing(StrEnum):
    """The score of an assignment that a student did not submit."""

    EMPTY = "empty"
    ZERO = "zero"


class Unfinished(StrEnum):
    """The score in an import file while something is left to autograde or to grade by hand."""

    EMPTY = "empty"
    SCORE = "score"


@dataclass(frozen=True)
class Options:
    """The options of an export. ``assignment`` restricts it to one; None exports all."""

    format: Format = Format.CSV
    assignment: str | None = None
    missing: Missing = Missing.EMPTY
    unfinished: Unfinished = Unfinished.EMPTY


#: The names of the options, in addresses and on the command line.
NAMES = ("format", "assignment", "missing", "unfinished")


def read_options(given: Mapping[str, str]) -> Options:
    """The options in a query or on the command line, each optional.

    :raises ConfigError: with every problem
    """
    problems = [
        f"{name}: unknown option; the options are {', '.join(NAMES)}"
        for name in given
        if name not in NAMES
    ]

    def choose(name: str, kind: type[T], default: T) -> T:
        value = given.get(name, default.value)
        try:
            return kind(value)
        except ValueError:
            *others, last = kind
            problems.append(f"{name}: use {', '.join(others)} or {last}")
            return default

    options = Options(
        choose("format", Format, Format.CSV),
        given.get("assignment") or None,
        choose("missing", Missing, Missing.EMPTY),
        choose("unfinished", Unfinished, Unfinished.EMPTY),
    )
    if problems:
        raise ConfigError(problems)
    return options
