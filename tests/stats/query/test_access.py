"""Who may ask about whom."""

import pytest

from services.stats.query.access import (
    OPERATOR,
    Everybody,
    Individual,
    Members,
    OutOfScope,
    Rules,
    Viewer,
)

ADMIN = Viewer.of("root", Rules(), admin=True)
TEACHER = Viewer.of("tea", Rules(), groups=["formgrade-x", "formgrade-y", "nbgrader-z"])
STUDENT = Viewer.of("stu", Rules(), groups=["nbgrader-x"])
X = "nbgrader-x"


@pytest.mark.parametrize(
    ("viewer", "asked", "answer"),
    [
        (ADMIN, {}, Everybody()),
        (ADMIN, {"group": "any"}, Members("any")),
        (ADMIN, {"user": "stu"}, Individual("stu")),
        (ADMIN, {"user": "root"}, Individual("root", themselves=True)),
        (OPERATOR, {}, Everybody()),
        (TEACHER, {}, None),
        (TEACHER, {"group": X}, Members(X)),
        (TEACHER, {"group": "nbgrader-z"}, None),
        (TEACHER, {"group": "formgrade-x"}, None),
        (TEACHER, {"user": "stu"}, Individual("stu", frozenset({X, "nbgrader-y"}))),
        (TEACHER, {"user": "stu", "group": X}, Individual("stu", frozenset({X}))),
        (TEACHER, {"user": "stu", "group": "nbgrader-z"}, None),
        (TEACHER, {"user": "tea"}, Individual("tea", themselves=True)),
        (STUDENT, {}, None),
        (STUDENT, {"group": X}, None),
        (STUDENT, {"user": "tea"}, None),
        (STUDENT, {"user": "stu", "group": X}, None),
        (STUDENT, {"user": "stu"}, Individual("stu", themselves=True)),
    ],
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
        (ADMIN, Everybody()),
        (TEACHER, Members(X)),
        (STUDENT, Individual("stu", themselves=True)),
    ],
    ids=["admin", "teacher", "student"],
)
def test_usual(viewer: Viewer, first: object) -> None:
    """Without a choice each sees the most of what is theirs."""
    assert viewer.usual() == first


@pytest.mark.parametrize(
    ("rules", "who", "everything"),
    [
        (Rules(), {"admin": True}, True),
        (Rules(), {"groups": ["staff"], "scopes": ["custom:stats:read"]}, False),
        (Rules(scope="custom:stats:read"), {"scopes": ["custom:stats:read"]}, True),
        (Rules(scope="custom:stats:read"), {"admin": True}, True),
        (Rules(groups=frozenset({"staff"})), {"groups": ["staff"]}, True),
        (Rules(groups=frozenset({"staff"})), {"admin": True, "groups": ["staff2"]}, False),
        (Rules("s", frozenset({"g"})), {"scopes": ["s"]}, True),
        (Rules("s", frozenset({"g", "h"})), {"groups": ["g"]}, True),
    ],
)
def test_who_sees_everything(rules: Rules, who: dict[str, object], everything: bool) -> None:
    """The scope always; members of the groups where some are set, else the Hub's admins."""
    assert Viewer.of("ana", rules, **who).everything is everything  # type: ignore[arg-type]  # by name


def test_a_group_named_like_a_prefix_gives_nothing() -> None:
    """The bare prefix is no course."""
    assert Viewer.of("ana", Rules(), groups=["formgrade-"]).teaches == frozenset()
