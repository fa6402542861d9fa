"""The allow-list, and the role that groups give."""

import re

import pytest
from nbgrader.server_extensions.formgrader import apihandlers, handlers

from services.formgrader_proxy.access import (
    ALLOW_LIST,
    Content,
    CourseGroups,
    Refusal,
    Role,
    judge,
    role_in,
)

READS = {
    "formgrader": Content.PAGE,
    "formgrader/": Content.PAGE,
    "formgrader/manage_assignments": Content.PAGE,
    "formgrader/gradebook/ps1/p1": Content.PAGE,
    "formgrader/submissions/abc/": Content.PAGE,
    "formgrader/submissions/abc/next": Content.PAGE,
    "formgrader/submissions/components/jquery/jquery.js": Content.STATIC,
    "formgrader/submissions/abc/evil.svg": Content.ATTACHMENT,
    "formgrader/submissions/abc/data/evil.html": Content.ATTACHMENT,
    "formgrader/static/js/utils.js": Content.STATIC,
    "formgrader/api/submissions/ps1": Content.API,
    "formgrader/api/submitted_notebooks/ps1/p1": Content.API,
}


@pytest.mark.parametrize(("path", "content"), READS.items())
def test_a_grader_reads_every_page(path: str, content: Content) -> None:
    """Each address of the interface passes for a grader, as the content it gives."""
    verdict = judge("GET", path.split("/"), Role.GRADER)
    assert verdict.allowed is not None
    assert verdict.allowed.content is content


@pytest.mark.parametrize("path", READS)
def test_nobody_reads_nothing(path: str) -> None:
    """Without a role in the course nothing passes, not even a static file."""
    assert judge("GET", path.split("/"), Role.NOBODY).refusal is Refusal.ROLE


@pytest.mark.parametrize(
    ("method", "path", "role", "action"),
    [
        ("PUT", "formgrader/api/grade/g1", Role.GRADER, "grade"),
        ("PUT", "formgrader/api/comment/c1", Role.GRADER, "comment"),
        ("POST", "formgrader/api/submitted_notebook/s1/flag", Role.GRADER, "flag"),
        ("PUT", "formgrader/api/assignment/ps1", Role.INSTRUCTOR, "assignment"),
        ("PUT", "formgrader/api/student/ana", Role.INSTRUCTOR, "student"),
        ("POST", "formgrader/api/assignment/ps1/assign", Role.INSTRUCTOR, "assign"),
        ("POST", "formgrader/api/assignment/ps1/release", Role.INSTRUCTOR, "release"),
        ("POST", "formgrader/api/submission/ps1/ana/autograde", Role.INSTRUCTOR, "autograde"),
        (
            "POST",
            "formgrader/api/assignment/ps1/ana/release_feedback",
            Role.INSTRUCTOR,
            "release_feedback",
        ),
    ],
)
def test_a_change_needs_its_role_and_has_a_name(
    method: str, path: str, role: Role, action: str
) -> None:
    """A change passes from its role upwards, not below, and the audit knows its name."""
    verdict = judge(method, path.split("/"), role)
    assert verdict.allowed is not None
    assert verdict.allowed.action == action
    assert judge(method, path.split("/"), Role(role - 1)).refusal is Refusal.ROLE


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [
        ("GET", "files/gradebook.db", Refusal.NOT_LISTED),
        ("GET", "api", Refusal.NOT_LISTED),
        ("GET", "metrics", Refusal.NOT_LISTED),
        ("GET", "logout", Refusal.NOT_LISTED),
        ("GET", "formgrader/unheard", Refusal.NOT_LISTED),
        ("GET", "formgraderx", Refusal.NOT_LISTED),
        ("PUT", "formgrader/api/grade", Refusal.NOT_LISTED),
        ("DELETE", "formgrader/api/grade/g1", Refusal.METHOD),
        ("POST", "formgrader/api/grade/g1", Refusal.METHOD),
        ("put", "formgrader/api/grade/g1", Refusal.METHOD),
        ("OPTIONS", "formgrader/gradebook", Refusal.METHOD),
        ("GET", "formgrader/api/assignment/ps1/assign", Refusal.METHOD),
    ],
)
def test_nothing_else_passes_even_for_an_administrator(
    method: str, path: str, refusal: Refusal
) -> None:
    """What is not on the list is refused whoever asks."""
    assert judge(method, path.split("/"), Role.ADMIN).refusal is refusal


def test_every_address_of_nbgrader_is_on_the_list() -> None:
    """Each route that nbgrader registers has a line, so no page of its interface is dead."""
    unlisted = []
    for route, handler, *_ in (*handlers.default_handlers, *apihandlers.default_handlers):
        path = re.sub(r"\(\?P<action>([a-z]+)[^)]*\)", r"\1", route.strip("/"))
        path = path.replace("(?P<submission_id>[^/]+)", "x").replace("([^/]+)", "x")
        path = path.replace("(.*)", "x").replace("/?", "")
        methods = {m for m in ("GET", "PUT", "POST") if m.lower() in vars(handler)}
        unlisted += [
            f"{method} {path}"
            for method in methods
            if judge(method, path.split("/"), Role.ADMIN).allowed is None
        ]
    assert unlisted == []


def test_every_change_is_named() -> None:
    """No line of the list lets a change pass without a name for the audit."""
    for line in ALLOW_LIST:
        assert (line.action is None) == (line.methods == {"GET", "HEAD"})


@pytest.mark.parametrize(
    ("groups", "course", "admin", "role"),
    [
        ([], CourseGroups(frozenset({"g"})), False, Role.NOBODY),
        (["nbgrader-c"], CourseGroups(frozenset({"g"})), False, Role.NOBODY),
        (["g"], CourseGroups(frozenset({"g"})), False, Role.INSTRUCTOR),
        (["g"], CourseGroups(frozenset({"g"}), frozenset({"i"})), False, Role.GRADER),
        (["i"], CourseGroups(frozenset({"g"}), frozenset({"i"})), False, Role.INSTRUCTOR),
        (["g", "i"], CourseGroups(frozenset({"g"}), frozenset({"i"})), False, Role.INSTRUCTOR),
        ([], CourseGroups(frozenset()), False, Role.NOBODY),
        ([], CourseGroups(frozenset({"g"})), True, Role.ADMIN),
    ],
)
def test_groups_give_the_role(
    groups: list[str], course: CourseGroups, admin: bool, role: Role
) -> None:
    """Instructors are above graders; where none are named, graders may do it all."""
    assert role_in(groups, course, is_admin=admin) is role
