"""Reading a command line: which options, which words, and everything that is wrong with it.

Pure. What the options mean is for :mod:`common.config.application`; here they are only told
apart, so that all mistakes can be reported together instead of the first one alone.
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
    """A command line taken apart. ``options`` keeps the order; a bare option has None."""

    options: list[tuple[str, str | None]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def has(self, *names: str) -> bool:
        """Whether one of these options was given."""
        return any(name in names for name, _ in self.options)


def split(argv: Sequence[str], known: Mapping[str, Takes]) -> CommandLine:
    """Take ``argv`` (without the program) apart.

    ``known`` maps option names, without dashes, to what they take. ``Class.trait=value`` is
    taken for an option with a value whatever ``known`` says. Nothing is raised: mistakes are
    in ``problems``, in words for the person at the terminal, and never repeat a value.
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
