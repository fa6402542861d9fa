"""Logs: one line an event, for people or machines, and no secret in any."""

import io
import json
import logging
from collections.abc import Iterator

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
    ],
)
def test_redact(text: str, secret: str) -> None:
    """Tokens, codes, states, cookies and passwords in URLs are taken out of a text."""
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
    ],
)
def test_redact_leaves_plain_text(text: str) -> None:
    """What is no secret is left as it is."""
    assert logs.redact(text) == text


def test_kept_secrets_never_appear(log: Log) -> None:
    """A secret that was named once appears nowhere: message, argument or traceback."""
    logs.keep_secret("very-secret-value")
    logger, stream = log
    logger.info("x very-secret-value y")
    logger.info("x %s", ["very-secret-value"])
    logger.error("failed", exc_info=RuntimeError("very-secret-value"))
    assert "very-secret" not in stream.getvalue()
    assert stream.getvalue().count("[secret]") == 3


def test_short_values_are_no_secrets() -> None:
    """An empty or tiny value is not taken for a secret: it would redact everything."""
    logs.keep_secret("", "a")
    assert logs.redact("banana") == "banana"


def test_human_line(log: Log) -> None:
    """A line for people has time, level, logger and message."""
    logger, stream = log
    logger.warning("stopped %s", "ada")
    assert stream.getvalue().endswith(" WARNING test.logs: stopped ada\n")


def test_line_breaks_do_not_forge_lines(log: Log) -> None:
    """A name with a line break in it stays on its line."""
    logger, stream = log
    logger.info("user %s", "ada\n2026-01-01 INFO root: all is well\r")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("sign", ["\x1b[2J", "\x85", "\u2028", "\u202e", "\x00"])
def test_names_play_no_tricks_on_the_terminal(log: Log, sign: str) -> None:
    """Escape sequences, odd line breaks and reversed writing are shown, other scripts are kept."""
    logger, stream = log
    logger.info("user 名前%s stopped", sign)
    line = stream.getvalue().removesuffix("\n")
    assert line.isprintable()
    assert "user 名前\\" in line


def test_json_line() -> None:
    """For machines a line is a JSON object with the event's own fields."""
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
    """Set up twice, each event is still logged once, to the newer place."""
    logger, old = log
    new = io.StringIO()
    logs.configure(level=logging.INFO, to=new)
    logger.info("once")
    logger.debug("not at this level")
    assert old.getvalue() == ""
    assert new.getvalue().count("once") == 1
    assert "not at" not in new.getvalue()


def test_talkative_libraries_are_quiet(log: Log) -> None:
    """Tornado's own log, in which JupyterHub writes session ids, starts at WARNING."""
    _, stream = log
    logging.getLogger("tornado.application").info("Setting new xsrf cookie for SESSION")
    assert stream.getvalue() == ""


def test_standard_error_is_looked_up_late(capsys: pytest.CaptureFixture[str]) -> None:
    """The log goes to what standard error is when the event comes."""
    logs.configure()
    logging.getLogger("test.late").warning("here")
    logs.configure(level=logging.WARNING)
    assert "here" in capsys.readouterr().err
