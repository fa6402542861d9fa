"""Which names an address may contain."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.formgrader_proxy.names import (
    ACCEPTED,
    MAX_LENGTH,
    PUNCTUATION,
    Kind,
    describe_fault,
    is_accepted,
    is_harmless,
)

#: Characters with a meaning in HTML, JavaScript, URLs, templates or patterns of file names.
HOSTILE = "\"'`\\<>&=:;{}$#?%/*[]|^\n\r\t\0\u2028\u2029\u202e\ufeff\u200b\u00a0\u00ad\ue000\ud800"


@pytest.mark.parametrize(
    "name",
    [
        *("ps1", "Problem Set 1", "lab (1)", "Intro, part 2", "Hello World!", "v1.2_final-b"),
        *("ada", "ada@example.org", "ada+test@example.org", "u-123", "user_name", "x"),
        *("\u00dcbung 3", "U\u0308bung", "\u00e9t\u00e9", "H\u00b2O"),  # composed, and not
        "\u5b9f\u7fd2\u30fb\u4e00",  # Japanese
        "\u0437\u0430\u0434\u0430\u043d\u0438\u0435",  # Russian
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian
        "\u0939\u093f\u0928\u094d\u0926\u0940",  # Hindi
        *("Newton\u2019s law", "Lab 1 \u2013 Sums", "x" * MAX_LENGTH),
    ],
)
def test_real_names_are_accepted(name: str) -> None:
    """Those of courses in any language, e-mail addresses, and names of JupyterHub users."""
    assert is_accepted(Kind.NAME, name)
    assert is_accepted(Kind.STUDENT, name)


@pytest.mark.parametrize("character", HOSTILE)
def test_hostile_characters_are_refused(character: str) -> None:
    """Wherever they are in a name."""
    for name in (character, f"{character}b", f"a{character}b", f"a{character}"):
        assert not is_accepted(Kind.NAME, name)
        assert is_accepted(Kind.STUDENT, name) is (character == "'")


@pytest.mark.parametrize(
    "name", ["", " a", "a ", ".", "..", ".a", "\u0338a", "\u200da", "x" * (MAX_LENGTH + 1)]
)
def test_names_that_nbgrader_cannot_have_are_refused(name: str) -> None:
    """It removes outer spaces and ignores hidden files. A leading mark would join what precedes."""
    assert not is_accepted(Kind.NAME, name)


def test_no_accepted_character_becomes_a_hostile_one() -> None:
    """Neither by normalization nor by a change of case."""
    accepted = " ".join(filter(is_harmless, map(chr, range(sys.maxunicode + 1))))
    forms = [
        *(unicodedata.normalize(form, accepted) for form in ("NFC", "NFD", "NFKC", "NFKD")),
        *(accepted.upper(), accepted.lower(), accepted.casefold(), accepted.title()),
    ]
    for form in forms:
        assert not set(form) & set(HOSTILE)


def test_the_accepted_ascii_characters_are_few() -> None:
    """A character more is a decision, to be explained in the module."""
    ascii_characters = {chr(code) for code in range(128) if is_harmless(chr(code))}
    assert ascii_characters == {one for one in map(chr, range(128)) if one.isalnum()} | set(
        " ._-+@,()!"
    )


@given(st.text())
def test_the_explanation_contains_nothing_hostile(part: str) -> None:
    """It names a refused character instead of repeating it."""
    text = describe_fault(part)
    assert not set(text) & set(HOSTILE)


def test_the_explanation_names_the_character() -> None:
    """With its code point and name, and the name that contains it."""
    text = describe_fault('ps1";x')
    assert "\u201cps1\ufffd\ufffdx\u201d" in text
    assert "U+0022 (quotation mark), U+003B (semicolon)" in text
    assert "too long" in describe_fault(" ps1")


def test_the_user_learns_every_accepted_punctuation_mark() -> None:
    """The sentence on the error page is complete."""
    for character in PUNCTUATION - {" ", "\u30fb"}:
        assert f" {character}" in ACCEPTED


@pytest.mark.parametrize(
    ("kind", "part", "accepted"),
    [
        (Kind.ID, "0a1b2c", True),
        (Kind.ID, "a" * 65, False),
        (Kind.ID, "a b", False),
        (Kind.ID, "\u00e9", False),
        (Kind.FILE, "js/utils.js", True),
        (Kind.FILE, "node_modules/@x/y.js", True),
        (Kind.FILE, 'js/".js', False),
        (Kind.ATTACHMENT, 'any "thing".svg', True),
    ],
)
def test_each_kind_has_its_form(kind: Kind, part: str, accepted: bool) -> None:
    """Identifiers and static files are stricter than names, attachments are not."""
    assert is_accepted(kind, part) is accepted
