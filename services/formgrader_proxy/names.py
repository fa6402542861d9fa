"""Which names an address may contain, and why another one is refused. Pure.

nbgrader 0.9 prints parts of an address into its pages, in scripts too, without escaping them. Here
such a part may only contain characters that are harmless wherever they are printed: in HTML text
and attributes (also without quotes), in JavaScript strings, in URLs, and as a file name pattern.

Letters and digits of every script are accepted, because names of assignments and students use
them. Each other character that is missing has a reason:

- ``" ' ` \\ < > &`` and line breaks end a string, a tag or an attribute, or encode one that does
- ``= : { } $ ;`` make an attribute, a ``javascript:`` link, a template or a statement of the rest
- ``# ? % /`` change the meaning of nbgrader's own links, which do not encode names
- ``* [ ]`` are patterns for nbgrader: autograding the student ``*`` autogrades everyone
- control, direction and other invisible characters make a name look like another one

An apostrophe is harmless in the double quotes that nbgrader uses. As it is part of some e-mail
addresses, such as o'brien@example.org, it is accepted for a student in the paths of the API, whose
responses are never shown as pages. Parentheses are accepted because nothing here can end a string
in front of them.
"""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

#: Besides letters, combining marks and digits. The joiners are part of Persian and Indic spelling.
PUNCTUATION = frozenset(" ._-+@,()!\u2013\u2014\u2019\u00b7\u30fb")
_JOINERS = frozenset("\u200c\u200d")
_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "No"})
#: File systems limit a name to 255 bytes.
MAX_LENGTH = 255


class Kind(StrEnum):
    """What a variable part of an address is. It determines the accepted characters.

    ID: nbgrader's own identifier, a UUID. NAME: of an assignment, a notebook or a student.
    STUDENT: of a student, in the API. FILE: a path below nbgrader's static files.
    ATTACHMENT: a path below a submission. Its response is sandboxed and contains no part of the
    address, so students may name their files as they like.
    """

    ID = "id"
    NAME = "name"
    STUDENT = "student"
    FILE = "file"
    ATTACHMENT = "attachment"


_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE = re.compile(r"[A-Za-z0-9@._/-]+")


def is_accepted(kind: Kind, part: str) -> bool:
    """Whether a decoded part of an address has the form of its kind."""
    match kind:
        case Kind.ID:
            return _ID.fullmatch(part) is not None
        case Kind.NAME:
            return _is_name(part, also="")
        case Kind.STUDENT:
            return _is_name(part, also="'")
        case Kind.FILE:
            return _FILE.fullmatch(part) is not None
        case Kind.ATTACHMENT:
            return True


def _is_name(text: str, *, also: str) -> bool:
    """No leading dot: nbgrader does not list such files. No outer spaces: it removes them."""
    if not 0 < len(text) <= MAX_LENGTH or text[0] in " ." or text[-1] == " ":
        return False
    if text[0] in _JOINERS or unicodedata.category(text[0]) in {"Mn", "Mc"}:
        return False
    return all(is_harmless(character) or character in also for character in text)


@lru_cache(maxsize=4096)
def is_harmless(character: str) -> bool:
    """Whether a name may contain this character."""
    if character in PUNCTUATION or character in _JOINERS:
        return True
    return unicodedata.category(character) in _CATEGORIES


#: The names of a course's own files, which no submission has to contain.
_PRIVATE = re.compile(r"(?i)gradebook\.(db|sqlite)|nbgrader_config\.|jupyter_\w*config\.")


def is_private_file(path: str) -> bool:
    """Whether a path names a hidden file, a gradebook or a configuration file, in any spelling.

    nbgrader resolves the path below the submission, where such a file is a student's copy or a
    link. Case, compatibility forms, invisible characters and outer spaces do not hide a name,
    because some file systems ignore them.
    """
    names = [_plain(name) for name in path.split("/")]
    return any(name.startswith(".") or _PRIVATE.match(name) for name in names)


def _plain(name: str) -> str:
    visible = (one for one in name if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFKC", "".join(visible)).strip()


def describe_fault(part: str) -> str:
    """What is wrong with a name, as a sentence for the user. Contains no character it refuses."""
    shown = "".join(one if is_harmless(one) else "\ufffd" for one in part[:60])
    shown += "\u2026" if len(part) > 60 else ""
    refused = sorted({one for one in part if not is_harmless(one)})
    if not refused:
        return (
            f"\u201c{shown}\u201d is not accepted here. It is too long, is not an identifier, or"
            " starts or ends with a character that is only accepted in between."
        )
    listed = ", ".join(_describe(character) for character in refused[:5])
    more = " and others" if len(refused) > 5 else ""
    return f"\u201c{shown}\u201d contains {listed}{more}, shown as \ufffd."


def _describe(character: str) -> str:
    name = unicodedata.name(character, "unnamed character").lower()
    return f"U+{ord(character):04X} ({name})"


#: What is accepted, as a sentence for the user.
ACCEPTED = (
    "Names of assignments, notebooks and students may contain letters and digits of any script,"
    " spaces, and . _ - + @ , ( ) ! \u2013 \u2014 \u2019 \u00b7."
)
