"""Who is not counted: staff, bots and test accounts, by ``--exclude``. Pure.

A pattern is the name of a user, a glob such as ``test-*``, a group as ``group:NAME`` (globs, too),
or ``admins`` for the Hub's administrators.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from functools import cached_property
from unicodedata import category

from common.config.suggestions import did_you_mean

ADMINS = "admins"
GROUP = "group:"
LONGEST = 255
COMPARABLE = 20_000
"""Among more names, a similar one is not searched for: it would take seconds."""
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Exclusion:
    """The patterns, in the order in which they were given and without duplicates."""

    patterns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, values: Iterable[str], problems: list[str]) -> "Exclusion":
        """From the values of ``--exclude``. Appends mistakes to ``problems``."""
        patterns = dict.fromkeys(value.strip() for value in values)
        for pattern in patterns:
            problems += [f"--exclude: {what}" for what in _problems(pattern)]
        return cls(tuple(patterns))

    @classmethod
    def of(cls, text: str | None) -> "Exclusion":
        """From the form in which the database keeps it; nobody if it has no such entry."""
        return cls(tuple(json.loads(text))) if text else cls()

    def as_text(self) -> str:
        """The form in which the database keeps it."""
        return json.dumps(self.patterns, ensure_ascii=False)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def hashed(self, name_of: Callable[[str], str]) -> "Exclusion":
        """With each user's name in the form that the database has: a pseudonym.

        Globs, which name nobody, and groups, whose names are not hashed, stay as they are.
        """
        return Exclusion(tuple(name_of(one) if one in self.names else one for one in self.patterns))

    def without_globs(self) -> "Exclusion":
        """Without globs for users."""
        return Exclusion(tuple(one for one in self.patterns if one not in self.globs))

    # -- the kinds of patterns

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of users."""
        return frozenset(one for one in self._of_users if not _GLOB.search(one))

    @cached_property
    def globs(self) -> tuple[str, ...]:
        """Globs for names of users."""
        return tuple(one for one in self._of_users if _GLOB.search(one))

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Names of groups, and globs for them."""
        return tuple(one[len(GROUP) :] for one in self.patterns if one.startswith(GROUP))

    @property
    def admins(self) -> bool:
        """Whether the Hub's administrators are excluded."""
        return ADMINS in self.patterns

    @property
    def _of_users(self) -> list[str]:
        return [one for one in self.patterns if one != ADMINS and not one.startswith(GROUP)]

    # -- whom they match

    def matches(self, name: str, *, admin: bool = False) -> bool:
        """Whether a user is excluded by name, or as an administrator."""
        return (admin and self.admins) or name in self.names or self._matches_glob(name)

    def globs_for(self, name: str) -> list[str]:
        """The globs that match a user's name."""
        return [glob for glob in self.globs if fnmatchcase(name, glob)]

    def matches_group(self, name: str) -> bool:
        """Whether the members of a group are excluded."""
        return any(fnmatchcase(name, pattern) for pattern in self.groups)

    def _matches_glob(self, name: str) -> bool:
        return self._glob is not None and self._glob.match(name) is not None

    @cached_property
    def _glob(self) -> re.Pattern[str] | None:
        # One expression for all: it is matched with every user of a poll.
        return re.compile("|".join(map(translate, self.globs))) if self.globs else None

    def unmatched(
        self, users: Sequence[str], groups: Sequence[str], *, skip: Iterable[str] = ()
    ) -> list[str]:
        """The patterns that match none of these names, each with a suggestion.

        ``skip``: patterns that are known to match.
        """
        found = []
        matching = {ADMINS, *skip}
        user_names = frozenset(users)
        for pattern in self.patterns:
            if pattern in matching:
                continue
            prefix = GROUP if pattern.startswith(GROUP) else ""
            known, text = (groups, pattern[len(GROUP) :]) if prefix else (users, pattern)
            if text in user_names and not prefix:
                continue
            if any(fnmatchcase(name, text) for name in known):
                continue
            comparable = known if len(known) <= COMPARABLE else ()
            hint = did_you_mean(text, comparable, form=f'"{prefix}{{}}"')
            hint = "" if _GLOB.search(text) else hint
            found.append(f"{pattern}{hint}")
        return found


NOBODY = Exclusion()
"""Everybody counts."""


def _problems(pattern: str) -> Iterable[str]:
    shown = repr(pattern if len(pattern) <= 60 else pattern[:60] + "…")
    kind, colon, rest = pattern.partition(":")
    name = rest if pattern.startswith(GROUP) else pattern
    if not name.strip():
        yield f"{shown} names nobody; write a user's name, a glob such as test-*, or group:NAME."
    elif len(name) > LONGEST or any(category(one) in ("Cc", "Cs", "Zl", "Zp") for one in name):
        yield f"{shown} is not a valid name."
    elif "," in pattern:
        yield f"{shown} contains a comma; write --exclude once for each name."
    elif not set(name) - {"*"}:
        yield f"{shown} matches everybody, so that nobody would be counted."
    elif _unclosed(name):
        yield f'{shown} has a "[" without a "]"; write [[] for the character itself.'
    elif colon and kind != "group" and did_you_mean(kind, ("group",)):
        yield f'{shown} has an unknown prefix; did you mean "{GROUP}{rest}"?'


def _unclosed(glob: str) -> bool:
    """Whether a bracket is not closed; such a pattern would match the bracket itself."""
    at = glob.find("[")
    while at >= 0:
        start = at + 2 if glob[at + 1 : at + 2] == "!" else at + 1
        end = glob.find("]", start + 1)
        if end < 0:
            return True
        at = glob.find("[", end)
    return False
