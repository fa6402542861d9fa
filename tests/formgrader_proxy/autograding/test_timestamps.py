"""The time of a submission, as nbgrader reads it."""

import logging
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")

from nbgrader.utils import parse_utc

from services.formgrader_proxy.autograding import timestamps


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-15 12:00:00 UTC",
        "2026-01-15 12:00:00.123456 UTC",
        "2026-01-15 12:00:00 CET",
        "2026-01-15 12:00:00 +0100",
        "2026-01-15T12:00:00",
        "2026-01-15",
    ],
)
def test_a_time_is_read_as_by_nbgrader(tmp_path: Path, text: str) -> None:
    """The form that nbgrader writes is read faster, with the same result."""
    (tmp_path / "timestamp.txt").write_text(text)
    assert timestamps.read(tmp_path, logging.getLogger()) == parse_utc(text)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-15 12:00:00 UTC", "2026-01-15 25:00:00 UTC"])
def test_an_invalid_time_is_none(tmp_path: Path, text: str) -> None:
    """It does not make a page fail."""
    (tmp_path / "timestamp.txt").write_text(text)
    assert timestamps.read(tmp_path, logging.getLogger()) is None
