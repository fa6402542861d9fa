"""Keeps the last valid text of a settings file, for a start at which the file is invalid."""

import json
import logging
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from common.config.settings_file import SettingsFile
from common.errors import StoreError

log = logging.getLogger(__name__)

Write = Callable[[Path, str], Awaitable[None]]
"""Stores the text of the file at a path, in place of an earlier one."""


class Keeper:
    """Keeps the text of one file up to date in the service's database."""

    def __init__(self, file: SettingsFile[Any], write: Write) -> None:
        self._file = file
        self._write = write
        self._written: str | None = None

    async def keep(self) -> None:
        """Store the text if it is valid and has changed. Call this again after each reload.

        A failure is logged; the next call tries again. An empty text is never stored: it is more
        probably a mistake than the wish to forget the earlier one.
        """
        text = self._file.text
        if self._file.problems or text == self._written or not text.strip():
            return
        try:
            await self._write(self._file.path, without_comments(text))
        except StoreError as error:
            log.warning("The valid text of %s was not stored: %s", self._file.path, error)
        else:
            self._written = text


def without_comments(text: str) -> str:
    """A valid TOML text with the same content, without comments: they may contain anything."""
    return "".join(f"{_text(key)} = {_toml(value)}\n" for key, value in tomllib.loads(text).items())


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        pairs = (f"{_text(key)} = {_toml(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    return str(value.isoformat())  # tomllib's other types are those of dates and times


def _text(value: str) -> str:
    # TOML's strings are those of JSON, except that it does not allow DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
