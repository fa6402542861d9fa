"""Whether the course's directory can be used by this process's account."""

import os
import stat

from services.formgrader_proxy.course_check.findings import Finding, Kind
from services.formgrader_proxy.course_check.versions import versions_of

_ADVICE = "Create it, or correct the directory of this course in the courses file."


def examine_directory(path: str, account: str) -> Finding | None:
    """What is wrong with the directory for this account, which runs this process."""
    text = _problem(path, account)
    return Finding(Kind.DIRECTORY, text, watched=versions_of([path])) if text else None


def _problem(path: str, account: str) -> str | None:
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        return f"The account {account} has no access to a directory above {path}."
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return f"The course's directory {path} does not exist. {_ADVICE}"
        return f"The course's directory {path} cannot be used: {error.strerror}."
    if not stat.S_ISDIR(mode):
        return f"The course's directory {path} is a file. Correct it in the courses file."
    if not os.access(path, os.R_OK | os.X_OK):
        return f"The account {account} may not read the course's directory {path}."
    if not os.access(path, os.W_OK):
        return (
            f"The account {account} may not write to the course's directory {path}, or its file"
            " system is read-only."
        )
    return None
