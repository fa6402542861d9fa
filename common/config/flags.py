"""Splits a command line into options and arguments, and collects all mistakes. Pure.

The values are interpreted by :mod:`common.config.sources`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from common.config.suggestions import did_you_mean

_TRUTH = frozenset({"true", "false", "1", "0"})
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_NUMBER = re.compile(r"-\d+(\.\d+)?")


class Takes(StrEnum):
    """What may follow an option."""

    VALUE = "value"  # --timeout 5, --timeout=5
    TRUTH = "truth"  # --cull-users, --cull-users=false, --cull-users false
    NOTHING = "nothing"  # --debug


@dataclass
class CommandLine:
    """A parsed command line. ``options`` are in order; an option without a value has None."""

    options: list[tuple[str, str | None]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def has(self, *names: str) -> bool:
        """Whether one of these options was given."""
        return any(name in names for name, _ in self.options)


def split(argv: Sequence[str], known: Mapping[str, Takes]) -> CommandLine:
    """Parse ``argv`` (without the program's name).

    ``known`` maps option names, without dashes, to what they take. ``Class.trait`` is always an
    option with a value. Mistakes are not raised but listed in ``problems``, as messages for users
    that never repeat a value.
    """
    line = CommandLine()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            line.words.extend(rest)
            break
        if not word.startswith("-") or word == "-":
            line.words.append(word)
            continue
        _option(word, rest, known, line)
    return line


def _option(word: str, rest: list[str], known: Mapping[str, Takes], line: CommandLine) -> None:
    dashes = "--" if word.startswith("--") else "-"
    name, equals, value = word[len(dashes) :].partition("=")
    takes = Takes.VALUE if _DOTTED.fullmatch(name) else known.get(name)
    if takes is None or (dashes == "-" and len(name) > 1):
        if equals == "" and dashes == "-" and _NUMBER.fullmatch(word):
            line.words.append(word)
            return
        hint = did_you_mean(name, list(known), form="--{}", at_most=2)
        line.problems.append(
            f"Unknown option {dashes}{name}{hint or '; --help-all lists every option.'}"
        )
        return
    if equals:
        if takes is Takes.NOTHING:
            line.problems.append(f"--{name} takes no value. Write --{name} alone.")
            return
        line.options.append((name, value))
        return
    if takes is Takes.NOTHING:
        line.options.append((name, None))
    elif takes is Takes.TRUTH:
        given = rest.pop(0) if rest and rest[0].lower() in _TRUTH else None
        line.options.append((name, given))
    elif rest and (not rest[0].startswith("-") or _NUMBER.fullmatch(rest[0]) or rest[0] == "-"):
        line.options.append((name, rest.pop(0)))
    else:
        line.problems.append(f"--{name} needs a value. Write --{name}=VALUE.")
