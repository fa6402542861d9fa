"""Suggestions for misspelled names. Pure."""

from collections.abc import Sequence
from difflib import get_close_matches


def did_you_mean(word: str, known: Sequence[str], *, form: str = '"{}"', at_most: int = 1) -> str:
    """A clause such as ``; did you mean "timeout"?``, or nothing if no known name is similar.

    ``form`` is how each of the names is written, ``at_most`` how many of them are listed.
    """
    similar = get_close_matches(word, known, n=at_most, cutoff=0.6)
    if not similar:
        return ""
    return "; did you mean " + " or ".join(form.format(name) for name in similar) + "?"
