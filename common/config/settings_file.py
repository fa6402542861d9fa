"""A TOML file of settings beside the command line's: every mistake told at once, and the
last good one kept while a bad one is mended.
"""

import tomllib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from common.config.suggestions import did_you_mean
from common.errors import ConfigError

T = TypeVar("T")


class Reload(StrEnum):
    """What became of a look at the file; a closed set, used as a metric label."""

    UNCHANGED = "unchanged"
    LOADED = "loaded"
    REFUSED = "refused"


def read_tables(text: str, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The ``[[name]]`` tables of a TOML text, which may hold nothing else; and what is wrong.

    :raises ConfigError: where nothing can be read at all
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"this is not TOML: {error}"]) from None
    problems = [
        f"{key}: unknown; the file has [[{name}]] tables only{did_you_mean(key, (name,))}"
        for key in document
        if key != name
    ]
    tables = document.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.append(f"{name}: write each {name} as a table of its own: [[{name}]]")
        raise ConfigError(problems)
    return tables, problems


class SettingsFile(Generic[T]):
    """A file that is looked at again and again.

    ``value`` is what the last good text came to. ``problems`` are those of the newest text,
    empty when it is the one in force. ``what`` names the file for people.
    """

    def __init__(self, path: Path, what: str, load: Callable[[str], T]) -> None:
        """Read the file. :raises ConfigError: it cannot be read or used"""
        self.path = path
        self.problems: tuple[str, ...] = ()
        self._what = what
        self._load = load
        self._seen: str | None = self._read()
        self.value = load(self._seen)

    def reload_if_changed(self) -> Reload:
        """Look at the file; a bad one is refused, once, and the last good value stays."""
        seen, self._seen = self._seen, None  # None until it was read
        try:
            self._seen = self._read()
            if self._seen == seen:
                return Reload.UNCHANGED
            self.value = self._load(self._seen)
        except ConfigError as error:
            unheard = error.problems != self.problems
            self.problems = error.problems
            return Reload.REFUSED if unheard else Reload.UNCHANGED
        self.problems = ()
        return Reload.LOADED

    def _read(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8-sig")  # some editors begin with a mark
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError([f"{self._what} {self.path} cannot be read: {reason}"]) from None
