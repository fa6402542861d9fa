"""The requests of nbgrader's API that jobs consist of, and their paths. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

#: Requests about one submission.
_SUBMISSION = frozenset({"autograde"})
#: Requests about the submissions of one student, or of all.
_STUDENT = frozenset({"generate_feedback", "release_feedback"})
#: Actions of the allow-list that take long. Their response says whether they succeeded: nbgrader
#: answers with status 200 in any case.
ACTIONS = _SUBMISSION | _STUDENT | {"assign", "collect", "release", "unrelease"}
#: Actions that a job can do for each of several students.
PER_STUDENT = _SUBMISSION | _STUDENT

#: What a job does, as the title of its card.
TITLES = {
    "assign": "Generate",
    "autograde": "Autograde",
    "collect": "Collect",
    "generate_feedback": "Generate feedback",
    "release": "Release",
    "release_feedback": "Release feedback",
    "unrelease": "Unrelease",
}


class Wanted(NamedTuple):
    """One request. ``student`` is empty if it is about the whole assignment."""

    action: str
    assignment: str
    student: str = ""


def segments_of(wanted: Wanted) -> tuple[str, ...]:
    """The decoded segments of a request's path below the course's prefix."""
    action, assignment, student = wanted
    if action in _SUBMISSION:
        return ("formgrader", "api", "submission", assignment, student, action)
    of = (student,) if student else ()
    return ("formgrader", "api", "assignment", assignment, *of, action)


def wanted_by(segments: Sequence[str]) -> Wanted:
    """The request with these segments, which the allow-list has accepted."""
    *of, action = segments[3:]
    return Wanted(action, of[0], of[1] if len(of) > 1 else "")
