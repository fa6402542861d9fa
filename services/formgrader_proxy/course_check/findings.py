"""What is wrong with a course, in words, and how a process reports it to the service. Pure."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import NamedTuple

#: The exit code of a formgrader that does not serve its course: EX_CONFIG of sysexits.h.
NOT_SERVED = 78
#: Begins the line of the formgrader's log with the findings.
_MARK = "course-check: "
#: The lines of a formgrader's log are cut after 2,000 bytes.
_LINE_BYTES = 1900
_TEXT_LENGTH = 700
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/@:]*):[^\s/]*@")


class Kind(StrEnum):
    """Which part of a course a finding is about."""

    CONFIGURATION = "configuration"
    DIRECTORY = "directory"
    SOFTWARE = "software"
    GRADEBOOK = "gradebook"
    NAMES = "names"


_MILD = {
    Kind.CONFIGURATION: "its configuration has an error",
    Kind.DIRECTORY: "its directory cannot be used",
    Kind.SOFTWARE: "nbgrader is not installed correctly",
    Kind.GRADEBOOK: "its gradebook cannot be used",
    Kind.NAMES: "some of its names cannot be used",
}


class Version(NamedTuple):
    """A file as it was: its path, time of the last change in ns, and size. Zeros: no such file."""

    path: str
    changed: int
    size: int


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a course.

    ``text`` is for those who can act: sentences without secrets. A ``serious`` finding prevents
    the course from being served. ``watched`` are the files that it depends on.
    """

    kind: Kind
    text: str
    serious: bool = True
    watched: tuple[Version, ...] = ()

    @property
    def mild(self) -> str:
        """A sentence for users who cannot act."""
        return (
            f"The grading pages of this course are not available: {_MILD[self.kind]}."
            " Its administrators see the details here."
        )


def without_secrets(text: str) -> str:
    """The text as one line of limited length, without the passwords of URLs."""
    line = " ".join(text.split())
    line = _URL_PASSWORD.sub(r"\1:***@", line)
    return line if len(line) <= _TEXT_LENGTH else line[: _TEXT_LENGTH - 1] + "…"


def to_json(findings: Iterable[Finding]) -> str:
    """The findings as JSON without line breaks."""
    return json.dumps([asdict(finding) for finding in findings], separators=(",", ":"))


def from_json(text: str) -> list[Finding]:
    """The findings that :func:`to_json` returned.

    :raises ValueError: the text has another form
    """
    try:
        return [
            Finding(
                Kind(item["kind"]),
                _printable(str(item["text"])),
                bool(item["serious"]),
                tuple(
                    Version(str(p), int(changed), int(size)) for p, changed, size in item["watched"]
                ),
            )
            for item in json.loads(text)
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(f"unexpected findings: {error}") from error


def _printable(text: str) -> str:
    """Without characters that control a terminal: a course's own code may have written the text."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def marked_line(finding: Finding) -> str:
    """The line of a log that :func:`finding_in` finds."""
    line = _MARK + to_json([finding])
    if len(line) > _LINE_BYTES:
        line = _MARK + to_json([Finding(finding.kind, finding.text[:250])])
    return line


def finding_in(lines: Iterable[str]) -> Finding | None:
    """The last finding in a formgrader's log."""
    for line in reversed(list(lines)):
        if line.startswith(_MARK):
            try:
                return from_json(line.removeprefix(_MARK))[0]
            except (ValueError, IndexError):
                return None
    return None
