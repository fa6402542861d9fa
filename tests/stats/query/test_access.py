"""Who may see whose statistics."""

import pytest

from services.stats.query.access import (
    OPERATOR,
    FullAccess,
    Individual,
    Members,
    OutOfScope,
    Viewer,
    WholeHub,
)

ADMIN = Viewer.of("root", FullAccess(), admin=True)
INSTRUCTOR = Viewer.of("tea", FullAccess(), groups=["formgrade-x", "formgrade-y", "nbgrader-z"])
STUDENT = Viewer.of("stu", FullAccess(), groups=["nbgrader-x"])
X = "nbgrader-x"


def describe(value: object) -> str:
    """A test id that does not depend on the order of a set."""
    if isinstance(value, Viewer):
        return value.name or "operator"
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in value.items()) or "nothing"
    if isinstance(value, FullAccess):
        return f"{value.scope}{sorted(value.groups)}"
    return type(value).__name__


@pytest.mark.parametrize(
    ("viewer", "question", "audience"),
    [
        (ADMIN, {}, WholeHub()),
        (ADMIN, {"group": "any"}, Members("any")),
        (ADMIN, {"user": "stu"}, Individual("stu")),
        (ADMIN, {"user": "root"}, Individual("root", own=True)),
        (OPERATOR, {}, WholeHub()),
        (INSTRUCTOR, {}, None),
        (INSTRUCTOR, {"group": X}, Members(X)),
        (INSTRUCTOR, {"group": "nbgrader-z"}, None),
        (INSTRUCTOR, {"group": "formgrade-x"}, None),
        (INSTRUCTOR, {"user": "stu"}, Individual("stu", frozenset({X, "nbgrader-y"}))),
        (INSTRUCTOR, {"user": "stu", "group": X}, Individual("stu", frozenset({X}))),
        (INSTRUCTOR, {"user": "stu", "group": "nbgrader-z"}, None),
        (INSTRUCTOR, {"user": "tea"}, Individual("tea", own=True)),
        (STUDENT, {}, None),
        (STUDENT, {"group": X}, None),
        (STUDENT, {"user": "tea"}, None),
        (STUDENT, {"user": "stu", "group": X}, None),
        (STUDENT, {"user": "stu"}, Individual("stu", own=True)),
    ],
    ids=describe,
)
def test_audience(viewer: Viewer, question: dict[str, str], audience: object) -> None:
    """A viewer gets exactly the audience they may see, or OutOfScope."""
    if audience is not None:
        assert viewer.audience(**question) == audience
        return
    with pytest.raises(OutOfScope, match="you may not see"):
        viewer.audience(**question)


@pytest.mark.parametrize(
    ("viewer", "first"),
    [
        (ADMIN, WholeHub()),
        (INSTRUCTOR, Members(X)),
        (STUDENT, Individual("stu", own=True)),
    ],
    ids=["admin", "teacher", "student"],
)
def test_default_audience(viewer: Viewer, first: object) -> None:
    """By default a viewer sees the largest audience that is theirs to see."""
    assert viewer.default_audience() == first


@pytest.mark.parametrize(
    ("full_access", "who", "everything"),
    [
        (FullAccess(), {"admin": True}, True),
        (FullAccess(), {"groups": ["staff"], "scopes": ["custom:stats:read"]}, False),
        (FullAccess(scope="custom:stats:read"), {"scopes": ["custom:stats:read"]}, True),
        (FullAccess(scope="custom:stats:read"), {"admin": True}, True),
        (FullAccess(groups=frozenset({"staff"})), {"groups": ["staff"]}, True),
        (FullAccess(groups=frozenset({"staff"})), {"admin": True, "groups": ["staff2"]}, False),
        (FullAccess("s", frozenset({"g"})), {"scopes": ["s"]}, True),
        (FullAccess("s", frozenset({"g", "h"})), {"groups": ["g"]}, True),
    ],
    ids=describe,
)
def test_who_sees_everything(
    full_access: FullAccess, who: dict[str, object], everything: bool
) -> None:
    """The scope always grants it; groups do if any are set, and otherwise Hub administrators."""
    assert Viewer.of("ana", full_access, **who).everything is everything  # type: ignore[arg-type]  # by name


def test_bare_prefix_grants_nothing() -> None:
    """A group that is only the prefix is not a course."""
    assert Viewer.of("ana", FullAccess(), groups=["formgrade-"]).student_groups == frozenset()
