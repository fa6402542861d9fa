"""What passes by a course's mode."""

import pytest

from services.formgrader_proxy.access import Allowed, Content, Refusal, Role
from services.formgrader_proxy.courses import Mode
from services.formgrader_proxy.modes import decide


@pytest.mark.parametrize("mode", list(Mode))
def test_what_is_listed_passes_as_listed(mode: Mode) -> None:
    """In full mode, too: a grade keeps its name in the audit, a page its policy."""
    grade = decide("PUT", ("formgrader", "api", "grade", "x"), Role.GRADER, mode)
    assert isinstance(grade, Allowed)
    assert grade.action == "grade"
    assert decide("GET", ("formgrader",), Role.NOBODY, mode) is Refusal.ROLE


@pytest.mark.parametrize("mode", list(Mode))
def test_an_instructors_work_stays_theirs(mode: Mode) -> None:
    """Full mode opens what is not listed, not what is listed for somebody else."""
    path = ("formgrader", "api", "assignment", "ps1", "release")
    assert decide("POST", path, Role.GRADER, mode) is Refusal.ROLE


@pytest.mark.parametrize(
    ("method", "path", "content", "action"),
    [
        ("GET", "lab", Content.PAGE, None),
        ("GET", "files/evil.html", Content.ATTACHMENT, None),
        ("HEAD", "nbconvert/html/x.ipynb", Content.ATTACHMENT, None),
        ("POST", "api/kernels", Content.API, "other"),
        ("DELETE", "formgrader", Content.API, "other"),
    ],
)
def test_the_rest_passes_in_full_mode_only(
    method: str, path: str, content: Content, action: str | None
) -> None:
    """Files in their sandbox, changes with a line in the audit; otherwise not at all."""
    segments = tuple(path.split("/"))
    found = decide(method, segments, Role.GRADER, Mode.FULL)
    assert isinstance(found, Allowed)
    assert (found.content, found.action) == (content, action)
    assert isinstance(decide(method, segments, Role.ADMIN, Mode.LISTED), Refusal)
    assert isinstance(decide(method, segments, Role.NOBODY, Mode.FULL), Refusal)
