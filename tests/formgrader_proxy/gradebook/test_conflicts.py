"""Which of two changes of the same score or comment is made."""

from typing import Any

import pytest

from services.formgrader_proxy.gradebook.conflicts import KNOWN, Conflict, merged


def scores(score: Any, extra: Any = None) -> dict[str, Any]:
    return {"manual_score": score, "extra_credit": extra}


def change(new: dict[str, Any], base: Any, *sent: Any) -> dict[str, Any]:
    return new | {"id": "g", KNOWN: {"base": base, "sent": list(sent)}}


@pytest.mark.parametrize(
    ("stored", "data", "saved"),
    [
        (scores(None), change(scores("2"), scores(None)), scores("2")),
        (scores(7.0), change(scores(None, "1"), scores(None)), scores(7.0, "1")),
        (scores(7.0, 2.0), change(scores("3", ""), scores(7.0)), scores("3", 2.0)),
        (scores(1.0), change(scores("2"), scores(None), scores("1"), scores("3")), scores("2")),
        (scores(2.0), change(scores("2"), scores(None)), scores("2")),
        (scores(7.0), scores("2"), scores("2")),
        (scores(7.0), scores("2") | {KNOWN: 5}, scores("2")),
        (scores(7.0), change(scores("2"), None, "x"), scores("2")),
        ({"manual_comment": ""}, change({"manual_comment": "a"}, {"manual_comment": None}), None),
        (
            {"manual_comment": "nan"},
            change({"manual_comment": ""}, {"manual_comment": "nan"}),
            None,
        ),
    ],
)
def test_what_the_page_did_not_change_stays(
    stored: dict[str, Any], data: dict[str, Any], saved: dict[str, Any] | None
) -> None:
    """And what it did change is saved, also if an earlier response was lost."""
    result = merged(stored, data)
    assert {field: result[field] for field in stored} == (
        saved or {field: data[field] for field in stored}
    )


@pytest.mark.parametrize(
    ("stored", "data"),
    [
        (scores(7.0), change(scores("2"), scores(None))),
        (scores(None), change(scores("2"), scores(3.0))),
        (scores(7.0), change(scores(None), scores(None), scores("1"))),
        ({"manual_comment": "b"}, change({"manual_comment": "a"}, {"manual_comment": ""})),
    ],
)
def test_what_both_changed_is_a_conflict(stored: dict[str, Any], data: dict[str, Any]) -> None:
    """What is stored stays, and the page learns it."""
    with pytest.raises(Conflict) as raised:
        merged(stored, data)
    assert raised.value.current == stored
    assert raised.value.status_code == 409
