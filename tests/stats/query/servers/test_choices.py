"""Servers by profile and image."""

from datetime import date

import pytest

from services.stats.query.servers.choices import (
    NAME_OF_UNKNOWN,
    Dimension,
    ServerUse,
    Use,
    by,
    figure,
)
from services.stats.records import HUB, UNKNOWN, ProfileDay

DAY = date(2026, 3, 2)
HOUR = 3600
USE = ServerUse(
    days=[
        ProfileDay(DAY, HUB, 1, 1, 2, 4 * HOUR, 2 * HOUR, HOUR, 2, 5 * HOUR),
        ProfileDay(DAY, HUB, 1, UNKNOWN, 1, HOUR, HOUR, 0, 0, 0),
        ProfileDay(DAY, HUB, UNKNOWN, 1, 1, 9 * HOUR, 0, 0, 1, 9 * HOUR),
    ],
    users={(1, 1): frozenset({1, 2}), (1, UNKNOWN): frozenset({2}), (UNKNOWN, 1): frozenset({3})},
    running={(1, 1): 2, (1, UNKNOWN): 1, (2, 1): 1},
    profiles={1: "gpu", 2: "large"},
    images={1: "base:1"},
)


def test_rows_by_profile() -> None:
    """The images of a profile are added up; a user of two images counts once."""
    assert by(Dimension.PROFILE, USE) == [
        Use(None, 1, 1, 9.0, None, 540, 0),
        Use("gpu", 3, 2, 5.0, 33.3, 150, 3),
        Use("large", 0, 0, 0.0, None, None, 1),
    ]


def test_rows_by_image() -> None:
    """The same servers by image."""
    assert by(Dimension.IMAGE, USE) == [
        Use("base:1", 3, 3, 13.0, 50.0, 280, 3),
        Use(None, 1, 1, 1.0, 0.0, None, 1),
    ]


def test_pruned_users_are_unknown() -> None:
    """If users are not known for all days, no number is given, and the figure says since when."""
    use = ServerUse(days=USE.days, users=None, users_from=DAY, known_from=DAY)
    assert {row.users for row in by(Dimension.PROFILE, use)} == {None}
    note = figure(Dimension.PROFILE, use).note
    assert "Users are known from 2026-03-02 on." in note
    assert "Known from 2026-03-02 on." in note
    assert "known from" not in figure(Dimension.PROFILE, USE).note


def test_unknown_rows_are_labelled() -> None:
    """The row of unknown profiles has a label, and the note explains it."""
    shown = figure(Dimension.PROFILE, USE)
    assert [row[0] for row in shown.rows] == [NAME_OF_UNKNOWN, "gpu", "large"]
    assert "The profile is unknown if" in shown.note
    assert "unknown if" not in figure(Dimension.PROFILE, ServerUse()).note


@pytest.mark.parametrize(("most", "number"), [(None, 30), (20, 20), (30, 30)])
def test_the_page_has_the_first_rows(most: int | None, number: int) -> None:
    """Users can send any text as a profile; the page shows those with the most hours."""
    days = [ProfileDay(DAY, HUB, i, UNKNOWN, 1, i * HOUR, 0, 0, 0, 0) for i in range(1, 31)]
    use = ServerUse(days=days, profiles={i: f"p{i}" for i in range(1, 31)})
    shown = figure(Dimension.PROFILE, use, most=most)
    assert len(shown.rows) == number
    assert shown.rows[0][0] == "p30"
    assert ("The first 20 of 30" in shown.note) is (most == 20)
