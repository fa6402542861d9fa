"""Why a running formgrader cannot use its gradebook, as a sentence for every user."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

_LOCKED = (
    "Another program is using the gradebook, so it could not be read or changed. Try again in a"
    " moment."
)
_READ_ONLY = (
    "The gradebook is read-only, so nothing can be saved. An administrator has to check it."
)
_FULL = (
    "The disk of the gradebook is full, so nothing can be saved. An administrator has to free"
    " space."
)
_OTHER_VERSION = (
    "The gradebook was made by another version of nbgrader. An administrator has to run"
    " “nbgrader db upgrade”, or to install that version."
)
_DAMAGED = "The gradebook is damaged or empty. An administrator has to check it."
#: With a write-ahead log, SQLite says this of a full or read-only disk, too.
_UNUSABLE = (
    "The gradebook cannot be opened: it is missing, or its disk is full, read-only or damaged. An"
    " administrator has to check it."
)
_DOWN = "The database of the gradebook does not respond. Try again in a moment."
#: Parts of SQLite's and PostgreSQL's messages, in this order.
_MESSAGES = (
    ("is locked", _LOCKED),
    ("readonly database", _READ_ONLY),
    ("read-only transaction", _READ_ONLY),
    ("disk is full", _FULL),
    ("No space left", _FULL),
    ("no such column", _OTHER_VERSION),
    ("no such table", _DAMAGED),
    ("unable to open", _UNUSABLE),
    ("malformed", _DAMAGED),
    ("not a database", _DAMAGED),
    ("disk I/O error", _UNUSABLE),
    ("does not exist", _OTHER_VERSION),
)


def describe_failure(error: BaseException) -> str | None:
    """The sentence; None for an error that has nothing to do with the database."""
    if not isinstance(error, DBAPIError):
        return None
    reason = str(error.orig)
    for part, sentence in _MESSAGES:
        if part in reason and not (part == "does not exist" and _not_a_schema(error)):
            return sentence
    return _DOWN if isinstance(error, OperationalError | InterfaceError) else None


def _not_a_schema(error: DBAPIError) -> bool:
    """PostgreSQL says this of databases and roles, too."""
    return not isinstance(error, ProgrammingError)
