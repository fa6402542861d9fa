"""Reading a submission's timestamp.txt, which a student can replace by anything.

A FIFO there would stop the formgrader, and an invalid time would make pages of the whole
assignment fail. Each function here replaces a method of nbgrader; see :mod:`.guards`.
"""

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.utils import parse_utc

from services.formgrader_proxy.autograding.files.open_beneath import read_beneath

#: Longer than any time.
_MOST_BYTES = 200


def existing(course: Any, _original: Callable[..., Any], dest_path: str) -> datetime | None:
    """The time of a submission in a folder; None if there is none, or an invalid one."""
    return read(Path(dest_path), course.log)


def submitted(
    api: Any, _original: Callable[..., Any], assignment_id: str, student_id: str
) -> datetime | None:
    """The time of a student's submission; None if there is none, or an invalid one."""
    course = api.coursedir
    folder = course.format_path(course.submitted_directory, student_id, assignment_id)
    return read(Path(folder).absolute(), api.log)


def read(folder: Path, log: Any) -> datetime | None:
    """The time of the submission in a folder; None if there is none, or an invalid one."""
    if not folder.is_dir():
        return None
    try:
        place = (folder.parent.name, folder.name, "timestamp.txt")
        text = read_beneath(folder.parent.parent, place, at_most=_MOST_BYTES).decode().strip()
        found = _parse(text) if text else None
    except FileNotFoundError:
        return None
    except Exception as error:  # the parser of times raises many kinds
        log.warning("The timestamp in %s is ignored: %s", folder, error)
        return None
    return found


#: What nbgrader itself writes. nbgrader's parser takes 0.1 ms even for this form.
_USUAL = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{6})?) UTC", re.ASCII)


def _parse(text: str) -> datetime:
    usual = _USUAL.fullmatch(text)
    found: datetime = datetime.fromisoformat(usual[1]) if usual else parse_utc(text)
    return found
