"""The names that an assignment, a notebook or a student may be given. Pure.

nbgrader accepts almost any name and fails later. Measured with nbgrader 0.9.6:

- ``+`` separates the parts of folder names in the exchange: nbgrader refuses such assignments, and
  neither lists nor always collects the submissions of such students
- ``( )`` in an assignment's name are a pattern: releasing its feedback reports success and releases
  nothing
- ``* [ ]`` are patterns, so nothing or too much is found; ``\\`` and ``/`` separate folders
- a leading dot hides a folder, and spaces at the ends are removed

All other characters are those of :mod:`.names`, whose addresses are the only way to a page. Names
that already exist keep working as far as they do.
"""

from enum import StrEnum

from services.formgrader_proxy.names import PUNCTUATION, Kind, is_accepted, is_harmless

#: Names become parts of file names, of which the exchange combines four in 255 bytes.
MAX_BYTES = 120


class What(StrEnum):
    """What has the name."""

    ASSIGNMENT = "assignment"
    NOTEBOOK = "notebook"
    STUDENT = "student"


#: Accepted in addresses, but nbgrader fails on them.
_FAILING = {What.ASSIGNMENT: "+()", What.NOTEBOOK: "", What.STUDENT: "+"}
_ALSO = {What.ASSIGNMENT: "", What.NOTEBOOK: "", What.STUDENT: "'"}
_KIND = {What.ASSIGNMENT: Kind.NAME, What.NOTEBOOK: Kind.NAME, What.STUDENT: Kind.STUDENT}
_NAMED = {
    What.ASSIGNMENT: "The name of an assignment",
    What.NOTEBOOK: "The name of a notebook",
    What.STUDENT: "The ID of a student",
}


def rule(what: What) -> str:
    """The rule, as sentences for the user."""
    punctuation = [
        one
        for one in "._-+@,()!\u2013\u2014\u2019\u00b7" + _ALSO[what]
        if one not in _FAILING[what]
    ]
    return (
        f"{_NAMED[what]} may contain letters and digits of any script, spaces, and"
        f" {' '.join(punctuation)} It may not start or end with a dot or a space."
    )


def is_possible(what: What, name: str) -> bool:
    """Whether nbgrader and its pages work with this name."""
    if not is_accepted(_KIND[what], name) or len(name.encode()) > MAX_BYTES:
        return False
    return name[-1] not in " ." and not set(name) & set(_FAILING[what])


def fault_of_new(what: What, name: str) -> str | None:
    """Why a name is refused, with the rule; None if it is possible."""
    if is_possible(what, name):
        return None
    return f"\u201c{shown(name)}\u201d cannot be used. {rule(what)}"


def fault_of_stored(what: What, name: str) -> str | None:
    """Why nbgrader fails with a name that exists; None if it does not."""
    return None if is_possible(what, name) else rule(what)


def shown(name: str) -> str:
    """The name without control and other invisible characters, for a message in plain text."""
    text = "".join(
        one if is_harmless(one) or 32 < ord(one) < 127 else "\ufffd" for one in name[:60]
    )
    return text + ("\u2026" if len(name) > 60 else "")


def for_scripts() -> dict[str, dict[str, str | int]]:
    """The same rules for a script: a regular expression of JavaScript with the flag ``u``."""
    return {
        what: {"pattern": _pattern(what), "bytes": MAX_BYTES, "rule": rule(what)} for what in What
    }


def _pattern(what: What) -> str:
    also = (set(PUNCTUATION) | set(_ALSO[what])) - set(_FAILING[what])
    listed = "".join(f"\\u{{{ord(one):x}}}" for one in sorted(also))
    joiners = "\\u{200c}\\u{200d}"
    letters = "\\p{L}\\p{Mn}\\p{Mc}\\p{Nd}\\p{Nl}\\p{No}"
    return f"^(?![ .\\p{{Mn}}\\p{{Mc}}{joiners}])[{letters}{listed}{joiners}]+(?<![ .])$"
