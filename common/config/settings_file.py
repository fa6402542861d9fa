"""TOML files that are read again when they change, such as a policy file or a list of courses.

All mistakes in a file are reported together. While a file is invalid, the last valid one applies.
"""

import time
import tomllib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from common.config.suggestions import did_you_mean
from common.errors import ConfigError

T = TypeVar("T")

#: A file is used when its text has been the same for this many seconds, and after this number of
#: looks in any case.
_PAUSE, _LOOKS = 0.1, 10


class Reload(StrEnum):
    """The result of checking the file for changes; a closed set, used as a metric label."""

    UNCHANGED = "unchanged"
    LOADED = "loaded"
    REFUSED = "refused"


def read_tables(text: str, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The ``[[name]]`` tables of a TOML text, and the problems: it must contain nothing else.

    :raises ConfigError: the text is not TOML, or ``name`` is not a list of tables
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"not TOML: {error}"]) from None
    problems = [
        f"{key}: unknown key; only [[{name}]] tables are allowed{did_you_mean(key, (name,))}"
        for key in document
        if key != name
    ]
    tables = document.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.append(f"{name}: write each {name} as a separate table: [[{name}]]")
        raise ConfigError(problems)
    return tables, problems


class SettingsFile(Generic[T]):
    """A file that is read again when it changes.

    ``value`` is the result of the last valid text, ``text``. ``problems`` are those of the current
    text, empty if it is valid. ``what`` describes the file in messages.
    """

    text: str
    value: T

    def __init__(
        self, path: Path, what: str, load: Callable[[str], T], kept: str | None = None
    ) -> None:
        """Read the file. ``kept`` is used if that fails: a text that was valid earlier.

        :raises ConfigError: the file cannot be read or is invalid, and so is ``kept``
        """
        self.path = path
        self.problems: tuple[str, ...] = ()
        self._what = what
        self._load = load
        self._seen: str | None = None
        usable = kept is not None and self._takes(kept)
        try:
            self._seen = self._read()
            self._take(self._seen)
        except ConfigError as error:
            if not usable:
                raise
            self.problems = error.problems

    def reload_if_changed(self) -> Reload:
        """Read the file again. An invalid one is refused once, and the last value is kept.

        Takes at least a tenth of a second if the file has changed.
        """
        seen, self._seen = self._seen, None  # None while it is unreadable
        try:
            self._seen = self._read()
            if self._seen == seen:
                return Reload.UNCHANGED
            self._seen = self._when_written(self._seen)
            self._take(self._seen)
        except ConfigError as error:
            changed = error.problems != self.problems
            self.problems = error.problems
            return Reload.REFUSED if changed else Reload.UNCHANGED
        self.problems = ()
        return Reload.LOADED

    def _take(self, text: str) -> None:
        self.value = self._load(text)
        self.text = text

    def _takes(self, text: str) -> bool:
        try:
            self._take(text)
        except ConfigError:
            return False
        return True

    def _when_written(self, text: str) -> str:
        """The text when the file no longer changes, within a second.

        A program may still be writing it: the first half of a file can be valid, too.
        """
        for _ in range(_LOOKS):
            time.sleep(_PAUSE)
            text, before = self._read(), text
            if text == before:
                break
        return text

    def _read(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8-sig")  # may begin with a byte order mark
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or an impossible path
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ConfigError([f"{self._what} {self.path} cannot be read: {reason}"]) from None
