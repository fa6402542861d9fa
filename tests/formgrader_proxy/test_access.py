"""The roles that Hub groups and scopes give."""

from typing import Literal

import pytest

from common.oauth.sign_in import Identity
from services.formgrader_proxy.access import Administrators, CourseGroups, Role, role_in
from services.formgrader_proxy.scopes import ADMIN_SCOPE


@pytest.mark.parametrize(
    ("groups", "scopes", "course", "role"),
    [
        ([], [], CourseGroups(frozenset({"g"})), Role.NOBODY),
        (["nbgrader-c"], [], CourseGroups(frozenset({"g"})), Role.NOBODY),
        (["g"], [], CourseGroups(frozenset({"g"})), Role.INSTRUCTOR),
        (["g"], [], CourseGroups(frozenset({"g"}), frozenset({"i"})), Role.GRADER),
        (["i"], [], CourseGroups(frozenset({"g"}), frozenset({"i"})), Role.INSTRUCTOR),
        (["g", "i"], [], CourseGroups(frozenset({"g"}), frozenset({"i"})), Role.INSTRUCTOR),
        ([], [], CourseGroups(frozenset()), Role.NOBODY),
        (["it"], [], CourseGroups(frozenset({"g"})), Role.ADMIN),
        (["g", "it"], [], CourseGroups(frozenset({"g"}), frozenset({"i"})), Role.ADMIN),
        ([], [ADMIN_SCOPE], CourseGroups(frozenset({"g"})), Role.ADMIN),
        ([], [ADMIN_SCOPE + "s"], CourseGroups(frozenset({"g"})), Role.NOBODY),
    ],
)
def test_groups_and_scopes_give_the_role(
    groups: list[str], scopes: list[str], course: CourseGroups, role: Role
) -> None:
    """Without instructor groups, graders are instructors. Administrators have every course."""
    user = Identity("x", "user", False, frozenset(groups), frozenset(scopes))
    assert role_in(user, course, Administrators(frozenset({"it"}))) is role


@pytest.mark.parametrize(
    ("kind", "session", "role"),
    [
        ("user", "s1", Role.ADMIN),
        ("user", "", Role.NOBODY),
        ("user", None, Role.NOBODY),
        ("service", "s1", Role.NOBODY),
    ],
    ids=["signed-in", "token-for-a-program", "unknown", "service"],
)
def test_the_hubs_administrators(
    kind: Literal["user", "service"], session: str | None, role: Role
) -> None:
    """Those who signed in with a browser. A token that they made for a program gives no role."""
    user = Identity("x", kind, True, frozenset(), frozenset({"admin:users"}), session)
    assert role_in(user, CourseGroups(frozenset({"g"})), Administrators()) is role
