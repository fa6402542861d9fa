"""Suggestions for misspelled names."""

import pytest

from common.config.suggestions import did_you_mean


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("polcy", "; did you mean --policy or --police?"),
        ("polici", "; did you mean --policy or --police?"),
        ("x", ""),
        ("", ""),
    ],
)
def test_similar_names_are_suggested(word: str, suggestion: str) -> None:
    """The closest names come first, in the requested form; a stranger gets no suggestion."""
    assert did_you_mean(word, ["policy", "police"], form="--{}", at_most=2) == suggestion


def test_the_closest_name_by_default() -> None:
    """By default only the closest name is suggested, in quotation marks."""
    assert did_you_mean("polcy", ["police", "policy"]) == '; did you mean "policy"?'
