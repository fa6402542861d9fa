"""Who may ask about whom."""

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
TEACHER = Viewer.of("tea", FullAccess(), groups=["formgrade-x", "formgrade-y", "nbgrader-z"])
STUDENT = Viewer.of("stu", FullAccess(), groups=["nbgrader-x"])
X = "nbgrader-x"


@pytest.mark.parametrize(
    ("viewer", "asked", "answer"),
    [
        (ADMIN, {}, WholeHub()),
        (ADMIN, {"group": "any"}, Members("any")),
        (ADMIN, {"user": "stu"}, Individual("stu")),
        (ADMIN, {"user": "root"}, Individual("root", own=True)),
        (OPERATOR, {}, WholeHub()),
        (TEACHER, {}, None),
        (TEACHER, {"group": X}, Members(X)),
        (TEACHER, {"group": "nbgrader-z"}, None),
        (TEACHER, {"group": "formgrade-x"}, None),
        (TEACHER, {"user": "stu"}, Individual("stu", frozenset({X, "nbgrader-y"}))),
        (TEACHER, {"user": "stu", "group": X}, Individual("stu", frozenset({X}))),
        (TEACHER, {"user": "stu", "group": "nbgrader-z"}, None),
        (TEACHER, {"user": "tea"}, Individual("tea", own=True)),
        (STUDENT, {}, None),
        (STUDENT, {"group": X}, None),
        (STUDENT, {"user": "tea"}, None),
        (STUDENT, {"user": "stu", "group": X}, None),
        (STUDENT, {"user": "stu"}, Individual("stu", own=True)),
    ],
    ids=str,
)
def test_audience(viewer: Viewer, asked: dict[str, str], answer: object) -> None:
    """Everybody gets exactly what they may see, and nothing when it is more."""
    if answer is not None:
        assert viewer.audience(**asked) == answer
        return
    with pytest.raises(OutOfScope, match="you may not see"):
        viewer.audience(**asked)


@pytest.mark.parametrize(
    ("viewer", "first"),
    [
        (ADMIN, WholeHub()),
        (TEACHER, Members(X)),
        (STUDENT, Individual("stu", own=True)),
    ],
    ids=["admin", "teacher", "student"],
)
def test_default_audience(viewer: Viewer, first: object) -> None:
    """Without a choice each sees the most of what is theirs."""
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
    ids=str,
)
def test_who_sees_everything(
    full_access: FullAccess, who: dict[str, object], everything: bool
) -> None:
    """The scope always; members of the groups where some are set, else the Hub's admins."""
    assert Viewer.of("ana", full_access, **who).everything is everything  # type: ignore[arg-type]  # by name


def test_a_group_named_like_a_prefix_gives_nothing() -> None:
    """The bare prefix is no course."""
    assert Viewer.of("ana", FullAccess(), groups=["formgrade-"]).student_groups == frozenset()
