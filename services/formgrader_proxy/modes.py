"""What passes by a course's mode: the allow-list, or in full mode on purpose all the rest. Pure."""

import re

from services.formgrader_proxy.access import Allowed, Content, Refusal, Role, judge
from services.formgrader_proxy.courses import Mode

_READ = frozenset({"GET", "HEAD"})
#: What mode = "full" lets pass beyond the list. Its changes are audited as such.
_ANYTHING = re.compile(r"(?s).*")
_FULL_READ = Allowed(_READ, _ANYTHING, Role.GRADER, Content.PAGE)
_FULL_FILE = Allowed(_READ, _ANYTHING, Role.GRADER, Content.ATTACHMENT)
_FULL_WRITE = Allowed(frozenset(), _ANYTHING, Role.GRADER, Content.API, "other")
#: What Jupyter serves as it lies there may have come from a student.
_FILES = {("files",), ("view",), ("nbconvert",)}


def decide(method: str, segments: tuple[str, ...], role: Role, mode: Mode) -> Allowed | Refusal:
    """The line that lets a request pass, or why none does.

    What the list keeps for a higher role stays with it in full mode, too.
    """
    verdict = judge(method, segments, role)
    if verdict.allowed is not None:
        return verdict.allowed
    assert verdict.refusal is not None  # noqa: S101 - one of the two is there
    if mode is not Mode.FULL or verdict.refusal is Refusal.ROLE or role < Role.GRADER:
        return verdict.refusal
    if method not in _READ:
        return _FULL_WRITE
    return _FULL_FILE if segments[:1] in _FILES else _FULL_READ
