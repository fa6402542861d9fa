"""Logs: one line per event, for people or as JSON, without any secret.

Secrets are removed from the finished line, so neither an argument nor a traceback can carry one
into the log.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

_REDACTED = "[secret]"
#: What the examples in our messages contain in place of a secret, as in
#: postgresql://USER:PASSWORD@HOST/NAME. Only these exact words in capitals are not redacted.
_PLACEHOLDER = r"(?-i:API_TOKEN|CODE|PASSWORD|SECRET|STATE|TOKEN)"
_VALUE = rf"(?!{_PLACEHOLDER}(?:[&\s'\"`;,)}}\]]|$))[^&\s'\";,)}}]+"
_PASSWORD = rf"(?!{_PLACEHOLDER}@[^\s/@]*(?:[\s/]|$))[^\s/]+"
_NAME = r"(?:token|secret|code_verifier|_xsrf|(?:pg)?password|passwd|passphrase)"
_PATTERNS = (
    # Authorization: token abc, "Authorization": "Bearer abc"
    (re.compile(r"(?i)\b((?:token|bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"), r"\1" + _REDACTED),
    # ?code=..&state=.. in a URL (state=ready is one of the Hub's filters and no secret)
    (re.compile(rf"(?i)([?&](?:code=|state=(?=[\w.~+-]{{12}}))){_VALUE}"), r"\1" + _REDACTED),
    # token=.., client_secret=.. in a URL, a form or a repr
    (re.compile(rf"(?i)(?<![a-z0-9])({_NAME}=){_VALUE}"), r"\1" + _REDACTED),
    # token='..' in Python, "token": ".." in JSON. Without quotes a colon may introduce a sentence.
    (
        re.compile(
            rf"(?i)(?<![a-z0-9])({_NAME}['\"]?\s*[=:]\s*(['\"]))"
            rf"(?!{_PLACEHOLDER}\2)(?:(?!\2)[^\n])+"
        ),
        r"\1" + _REDACTED,
    ),
    # the content of a Cookie or Set-Cookie header
    (re.compile(r"(?i)\b((?:set-)?cookie['\"]?\s*[:=]\s*['\"]?)[^'\"\n]{4,}"), r"\1" + _REDACTED),
    # postgresql://user:password@host; the password ends at the last @ before the path
    # (one slash: a URL that was given in place of a file name)
    (re.compile(rf"(\w[\w+.-]*:/{{1,2}}[^/\s:@]*:){_PASSWORD}(@)"), r"\1" + _REDACTED + r"\2"),
    # ... and a database's, if a slash in it was not percent-encoded
    (
        re.compile(rf"(?i)(postgres[\w+]*:/{{1,2}}[^/\s:@]*:)(?!{_PLACEHOLDER}@)[^\s'\"]+(@)"),
        r"\1" + _REDACTED + r"\2",
    ),
)
# Below WARNING these log session ids, complete user models or nothing of use.
_VERBOSE_LIBRARIES = (
    *("tornado.application", "tornado.general", "aiosqlite", "asyncio", "PIL"),
    "alembic",  # five lines about its plugins
)

_secrets: set[str] = set()


def keep_secret(*values: str) -> None:
    """Remove these values from every log line. Values of fewer than six characters are ignored."""
    _secrets.update(value for value in values if len(value) >= 6)


def redact(text: str) -> str:
    """The text without tokens, cookies, OAuth codes and states, and passwords in URLs."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, _REDACTED)
    if _may_contain_secrets(text.casefold()):
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
    return text


def _may_contain_secrets(text: str) -> bool:
    """Every pattern needs one of these. Most lines contain none, so the patterns are skipped."""
    return (
        "=" in text
        or ":/" in text
        or "token" in text
        or "secret" in text
        or "passw" in text
        or "passphrase" in text
        or "bearer" in text
        or "basic" in text
        or "cookie" in text
    )


class HumanFormatter(logging.Formatter):
    """``2026-01-31 12:00:00 INFO    cull: stopped ada``, on one line except for tracebacks.

    Does not use the inherited method: a pass may log ten thousand lines, and that takes twice as
    long.
    """

    def __init__(self) -> None:
        super().__init__(datefmt="%Y-%m-%d %H:%M:%S")
        self._second = -1
        self._time = ""

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            self._second, self._time = second, self.formatTime(record, self.datefmt)
        # A user name or path must neither forge a second line with a line break nor control the
        # reader's terminal with an escape sequence.
        message = _escape_control_characters(record.getMessage())
        line = f"{self._time} {record.levelname:7} {record.name}: {message}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            line += "\n" + self.formatStack(record.stack_info)
        return redact(line)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, error, and the ``extra`` fields."""

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
            if key not in _STANDARD_FIELDS and key not in entry:
                entry[key] = _json_value(value)
        return json.dumps(entry, ensure_ascii=False)


def configure(*, level: int = logging.INFO, style: str = "human", to: TextIO | None = None) -> None:
    """Send all logs of this process to ``to`` (default: standard error), ``human`` or ``json``.

    A second call replaces the first one's handler.
    """
    handler = _StandardErrorHandler() if to is None else logging.StreamHandler(to)
    handler.setFormatter(JsonFormatter() if style == "json" else HumanFormatter())
    handler.set_name(_HANDLER_NAME)
    root = logging.getLogger()
    for old in [one for one in root.handlers if one.get_name() == _HANDLER_NAME]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # No line shows the thread, the process or the line of code, so they are not looked up: a line
    # takes a quarter less time. The last one is private but documented, and tested to have an
    # effect (https://docs.python.org/3/howto/logging.html#optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    for name in _VERBOSE_LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _StandardErrorHandler(logging.StreamHandler[TextIO]):
    """Writes to the current ``sys.stderr``, even after it was replaced."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _value: TextIO) -> None:
        pass


_HANDLER_NAME = "jupyterhub-classroom"
_STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
}


def _escape_control_characters(text: str) -> str:
    """The text with line breaks, control characters and the like written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _json_value(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))
