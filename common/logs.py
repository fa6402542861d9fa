"""Logs: one line an event, for people or for machines, and never a secret in it.

Redaction works on the finished line, so that neither an argument nor a traceback can carry a
secret past it.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

_REDACTED = "[secret]"
_PATTERNS = (
    # Authorization: token abc, "Authorization": "Bearer abc"
    (re.compile(r"(?i)\b((?:token|bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"), r"\1" + _REDACTED),
    # ?code=..&state=.. in a URL (state=ready is one of the Hub's filters and no secret)
    (re.compile(r"(?i)([?&](?:code=|state=(?=[\w.~+-]{12})))[^&\s'\";,)}]+"), r"\1" + _REDACTED),
    # token=.., client_secret=.. in a URL, a form or a repr
    (
        re.compile(
            r"(?i)(?<![a-z0-9])((?:token|access_token|api_token|client_secret|code_verifier|"
            r"_xsrf|password|passwd)=)[^&\s'\";,)}]+"
        ),
        r"\1" + _REDACTED,
    ),
    # a whole cookie header
    (re.compile(r"(?i)\b((?:set-)?cookie['\"]?\s*[:=]\s*['\"]?)[^'\"\n]{4,}"), r"\1" + _REDACTED),
    # postgresql://user:password@host (PASSWORD is the placeholder in our own examples)
    (
        re.compile(r"(\w[\w+.-]*://[^/\s:@]*:)(?!PASSWORD@)[^@\s/]+(@)"),
        r"\1" + _REDACTED + r"\2",
    ),
)
# These log session ids and whole user models below WARNING.
_TOO_TALKATIVE = ("tornado.application", "tornado.general", "aiosqlite", "asyncio", "PIL")

_secrets: set[str] = set()


def keep_secret(*values: str) -> None:
    """Never let these values stand in a line of the log, wherever they come from."""
    _secrets.update(value for value in values if len(value) >= 6)


def redact(text: str) -> str:
    """The text without tokens, cookies, OAuth codes and states, and passwords in URLs."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, _REDACTED)
    if _may_hold_secrets(text.casefold()):
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
    return text


def _may_hold_secrets(text: str) -> bool:
    """Every pattern needs one of these: most lines have none and are not searched further."""
    return (
        "=" in text
        or "://" in text
        or "token" in text
        or "bearer" in text
        or "basic" in text
        or "cookie" in text
    )


class HumanFormatter(logging.Formatter):
    """``2026-01-31 12:00:00 INFO  cull: stopped ada``, on one line but for tracebacks.

    By hand: a pass may write ten thousand lines, and logging's own way costs twice as much.
    """

    def __init__(self) -> None:
        super().__init__(datefmt="%Y-%m-%d %H:%M:%S")
        self._second = -1
        self._time = ""

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            self._second, self._time = second, self.formatTime(record, self.datefmt)
        # A user name or a path with a line break in it must not forge a second line, nor one with
        # an escape sequence play tricks on the terminal of who reads the log.
        message = _one_line(record.getMessage())
        line = f"{self._time} {record.levelname:7} {record.name}: {message}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            line += "\n" + self.formatStack(record.stack_info)
        return redact(line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, error, and ``extra`` fields."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            entry["error"] = redact(self.formatException(record.exc_info))
        for key, value in record.__dict__.items():
            if key not in _STANDARD and key not in entry:
                entry[key] = _safe(value)
        return json.dumps(entry, ensure_ascii=False)


def configure(*, level: int = logging.INFO, style: str = "human", to: TextIO | None = None) -> None:
    """Send all logs of this process to one place (standard error) in one style."""
    handler = _ToStandardError() if to is None else logging.StreamHandler(to)
    handler.setFormatter(JsonFormatter() if style == "json" else HumanFormatter())
    handler.set_name(_HANDLER)
    root = logging.getLogger()
    for old in [one for one in root.handlers if one.get_name() == _HANDLER]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # What no line of ours tells is not looked up: thread, process, and the line of code
    # (https://docs.python.org/3/howto/logging.html#optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _ToStandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at the moment, also after somebody replaced it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _value: TextIO) -> None:
        pass


_HANDLER = "jupyterhub-classroom"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def _one_line(text: str) -> str:
    """The text with line breaks, control characters and the like written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def _safe(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))
