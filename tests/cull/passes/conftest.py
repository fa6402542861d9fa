"""Fixtures for the tests of passes."""

import logging
from collections.abc import Iterator

import pytest

from tests.cull.culler import BUSY, HOUR, IDLE
from tests.fakes.hub import FakeHub


@pytest.fixture(autouse=True)
def no_token_in_any_output(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Whatever goes wrong, the token is in no log line, traceback or other output."""
    caplog.set_level(logging.DEBUG)
    yield
    written = capfd.readouterr()
    lines = [record.getMessage() + str(record.exc_info or "") for record in caplog.records]
    for text in (caplog.text, written.out, written.err, *lines):
        assert FakeHub.token not in text


@pytest.fixture
def hub(fake_hub: FakeHub) -> FakeHub:
    """The fake Hub with five idle and five busy servers, alternating in its listing."""
    for idle, busy in zip(IDLE, BUSY, strict=True):
        fake_hub.add_server(idle, idle=2 * HOUR)
        fake_hub.add_server(busy, idle=0)
    return fake_hub
