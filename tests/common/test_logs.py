"""Logs: one line per event, for people or as JSON, without secrets."""

import io
import json
import logging
from collections.abc import Iterator
from logging.handlers import BufferingHandler

import pytest

from common import logs


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    logs.configure(level=logging.DEBUG, to=stream)
    yield logging.getLogger("test.logs"), stream
    logs.configure(level=logging.WARNING)


Log = tuple[logging.Logger, io.StringIO]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: token abcdef123456", "abcdef123456"),
        ("{'Authorization': 'Bearer abcdef123456'}", "abcdef123456"),
        ("GET /cb?code=abcdef&state=ghijklmnopqrst", "abcdef"),
        ("GET /cb?code=abcdef&state=ghijklmnopqrst", "ghijkl"),
        ("/x?token=abc", "abc"),
        ("client_secret=abcdef&x=1", "abcdef"),
        ("{'code_verifier=abcdef'}", "abcdef"),
        ("Cookie: service-cull=2|1:0|abcdef; other=1", "abcdef"),
        ("Set-Cookie: _xsrf=abcdef", "abcdef"),
        ("postgresql+asyncpg://ada:pass@db.example.org/x", "pass"),
        ("_xsrf=abcdef", "abcdef"),
        (" password=hunter2 ", "hunter2"),
        ("postgresql://ADA:HUNTER@db/x", "HUNTER"),
        ("postgresql://USER:PASSWORD1@db/x", "PASSWORD1"),
        ("postgresql://USER:password@db/x", "password"),
        ("postgresql://USER:PASSWORD@hunter2@db/x", "hunter2"),
        ("postgresql://ada:pa@ss@db/x", "ss@"),
        ("/x?token=TOKENabc", "TOKENabc"),
        ("/x?code=CODE1", "CODE1"),
        ("token='abcdef'", "abcdef"),
        ('{"access_token": "abcdef", "x": 1}', "abcdef"),
        ("c.ServiceApp.api_token = 'abcdef'", "abcdef"),
        ("{'password': 'hunter2'}", "hunter2"),
        ('password="it\'s"', "it's"),
        ("PGPASSWORD=hunter2", "hunter2"),
        ("cookie_secret=abcdef", "abcdef"),
        ("the file postgres:/ada:hunter2@db/x cannot be read", "hunter2"),
        ("postgresql://ada:hun/ter2@db/x", "ter2"),
    ],
)
def test_redact(text: str, secret: str) -> None:
    """Tokens, codes, states, cookies and passwords in URLs are redacted."""
    assert secret not in logs.redact(text)
    assert "[secret]" in logs.redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "stopped ada/work: idle for 00:12:00, rule default",
        "GET /services/cull/users/%41?x=1 200 5ms",
        "http://127.0.0.1:8081/hub/api",
        "a token of 3 parts",
        "state of the server: pending",
        "error code 7",
        "http://127.0.0.1/hub/api/users?state=ready&limit=200",
        "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE",
        "'postgresql://USER:PASSWORD@HOST/NAME'.",
        "call /x?token=TOKEN, or send password=PASSWORD",
        "set JUPYTERHUB_API_TOKEN=TOKEN",
        "token: must be text; password: must be text, not 5",
        "{'token': 'TOKEN'}",
        "http://hub:8081/users/ada@example.org",
        "Send a Hub token: the header 'Authorization: token TOKEN'.",
    ],
)
def test_redact_keeps_other_text(text: str) -> None:
    """Text without secrets is unchanged, and so are the placeholders in our examples."""
    assert logs.redact(text) == text


def test_known_secrets_are_redacted(log: Log) -> None:
    """A known secret is redacted in messages, arguments and tracebacks."""
    logs.keep_secret("very-secret-value")
    logger, stream = log
    logger.info("x very-secret-value y")
    logger.info("x %s", ["very-secret-value"])
    logger.error("failed", exc_info=RuntimeError("very-secret-value"))
    assert "very-secret" not in stream.getvalue()
    assert stream.getvalue().count("[secret]") == 3


def test_short_values_are_not_secrets() -> None:
    """A value of fewer than six characters is not a secret: it would redact ordinary words."""
    logs.keep_secret("", "a")
    assert logs.redact("banana") == "banana"


def test_human_line(log: Log) -> None:
    """A line for people consists of time, level, logger and message."""
    logger, stream = log
    logger.warning("stopped %s", "ada")
    assert stream.getvalue().endswith(" WARNING test.logs: stopped ada\n")


def test_line_breaks_do_not_forge_lines(log: Log) -> None:
    """A name that contains a line break stays on one line."""
    logger, stream = log
    logger.info("user %s", "ada\n2026-01-01 INFO root: all is well\r")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("sign", ["\x1b[2J", "\x85", "\u2028", "\u202e", "\x00"])
def test_control_characters_are_escaped(log: Log, sign: str) -> None:
    """Escape sequences, unusual line breaks and bidi controls are escaped; letters are kept."""
    logger, stream = log
    logger.info("user 名前%s stopped", sign)
    line = stream.getvalue().removesuffix("\n")
    assert line.isprintable()
    assert "user 名前\\" in line


def test_json_line() -> None:
    """In JSON style, a line is an object that includes the event's extra fields."""
    stream = io.StringIO()
    logs.configure(style="json", to=stream)
    logger = logging.getLogger("test.json")
    logger.info("stopped %s\n", "名前", extra={"user": "名前", "idle": 7, "url": "/x?token=abc"})
    logger.error("failed", exc_info=ValueError("Authorization: token abcdef123456"))
    logs.configure(level=logging.WARNING)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["message"] == "stopped 名前\n"
    assert (first["user"], first["idle"], first["level"]) == ("名前", 7, "info")
    assert (first["logger"], first["url"]) == ("test.json", "/x?token=[secret]")
    assert first["time"].endswith("+00:00")
    assert "ValueError" in second["error"]
    assert "abcdef" not in second["error"]


def test_configure_again_replaces(log: Log) -> None:
    """After a second call, events are logged once, to the new stream only."""
    logger, old = log
    new = io.StringIO()
    logs.configure(level=logging.INFO, to=new)
    logger.info("once")
    logger.debug("not at this level")
    assert old.getvalue() == ""
    assert new.getvalue().count("once") == 1
    assert "not at" not in new.getvalue()


def test_verbose_libraries_are_limited(log: Log) -> None:
    """Tornado's logger, to which JupyterHub logs session ids, starts at WARNING."""
    _, stream = log
    logging.getLogger("tornado.application").info("Setting new xsrf cookie for SESSION")
    assert stream.getvalue() == ""


def test_current_standard_error_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    """The log goes to the standard error of the moment of the event."""
    logs.configure()
    logging.getLogger("test.late").warning("here")
    logs.configure(level=logging.WARNING)
    assert "here" in capsys.readouterr().err


def test_caller_is_not_looked_up(log: Log) -> None:
    """Setting logging._srcfile still skips the search for the caller, which takes time."""
    logger, _ = log
    assert hasattr(logging, "_srcfile"), "logging has changed: see common.logs.configure"
    handler = BufferingHandler(10)
    logger.addHandler(handler)
    logger.info("x")
    logger.removeHandler(handler)
    (record,) = handler.buffer
    assert record.filename == "(unknown file)", "logging has changed: see common.logs.configure"
