"""The allow-list of requests, and the roles that Hub groups give."""

import re

import pytest
from nbgrader.server_extensions.formgrader import apihandlers, handlers

from common.oauth.sign_in import Identity
from services.formgrader_proxy.access import (
    RULES,
    Administrators,
    Content,
    CourseGroups,
    Mode,
    Refusal,
    Role,
    Rule,
    check_role,
    find_rule,
    role_in,
)
from services.formgrader_proxy.scopes import ADMIN_SCOPE


def decide(method: str, path: str, role: Role, mode: Mode = Mode.LISTED) -> Rule | Refusal:
    """What happens to a request of a user with this role."""
    return check_role(find_rule(method, path.split("/"), mode), role)


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
def test_a_grader_may_read_every_page(path: str, content: Content) -> None:
    """Each page of the interface is allowed for a grader, with the right kind of content."""
    rule = decide("GET", path, Role.GRADER)
    assert isinstance(rule, Rule)
    assert rule.content is content
    assert rule.action is None


@pytest.mark.parametrize("path", READS)
def test_a_user_without_a_role_may_read_nothing(path: str) -> None:
    """Not even a static file."""
    assert decide("GET", path, Role.NOBODY) is Refusal.ROLE


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
def test_a_change_requires_a_role_and_has_a_name(
    method: str, path: str, role: Role, action: str
) -> None:
    """It is allowed from that role upwards, and named for the audit log."""
    for enough in (one for one in Role if one >= role):
        rule = decide(method, path, enough)
        assert isinstance(rule, Rule)
        assert rule.action == action
    assert decide(method, path, Role(role - 1)) is Refusal.ROLE


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
def test_nothing_else_is_allowed(method: str, path: str, refusal: Refusal) -> None:
    """Requests that are not on the list are refused, even for an administrator."""
    assert decide(method, path, Role.ADMIN) is refusal


def test_every_route_of_nbgrader_is_on_the_list() -> None:
    """Each route that nbgrader registers has a rule, so its interface works completely."""
    unlisted = []
    for route, handler, *_ in (*handlers.default_handlers, *apihandlers.default_handlers):
        path = re.sub(r"\(\?P<action>([a-z]+)[^)]*\)", r"\1", route.strip("/"))
        path = path.replace("(?P<submission_id>[^/]+)", "x").replace("([^/]+)", "x")
        path = path.replace("(.*)", "x").replace("/?", "")
        methods = {m for m in ("GET", "PUT", "POST") if m.lower() in vars(handler)}
        unlisted += [
            f"{method} {path}"
            for method in methods
            if not isinstance(decide(method, path, Role.ADMIN), Rule)
        ]
    assert unlisted == []


def test_every_change_is_named() -> None:
    """No rule allows a change without a name for the audit log."""
    for rule in RULES:
        assert (rule.action is None) == (rule.methods == {"GET", "HEAD"})


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


def test_the_hubs_admin_flag_gives_no_role() -> None:
    """Only groups and scopes do."""
    user = Identity("x", "user", True, frozenset(), frozenset({"admin:users"}))
    assert role_in(user, CourseGroups(frozenset({"g"})), Administrators()) is Role.NOBODY


@pytest.mark.parametrize("mode", list(Mode))
def test_the_allow_list_applies_in_both_modes(mode: Mode) -> None:
    """In full mode, too, a grade keeps its name, and an instructor's work stays theirs."""
    grade = decide("PUT", "formgrader/api/grade/x", Role.GRADER, mode)
    assert isinstance(grade, Rule)
    assert grade.action == "grade"
    assert decide("GET", "formgrader", Role.NOBODY, mode) is Refusal.ROLE
    release = "formgrader/api/assignment/ps1/release"
    assert decide("POST", release, Role.GRADER, mode) is Refusal.ROLE


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
def test_full_mode_allows_graders_everything_else(
    method: str, path: str, content: Content, action: str | None
) -> None:
    """Files are attachments and changes are audited; listed mode refuses all of it."""
    rule = decide(method, path, Role.GRADER, Mode.FULL)
    assert isinstance(rule, Rule)
    assert (rule.content, rule.action) == (content, action)
    assert isinstance(decide(method, path, Role.ADMIN, Mode.LISTED), Refusal)
    assert isinstance(decide(method, path, Role.NOBODY, Mode.FULL), Refusal)


def test_long_paths_have_the_same_rules() -> None:
    """Paths that are too long for the cache are matched, too."""
    path = "formgrader/submissions/abc/" + "x" * 4000
    rule = decide("GET", path, Role.GRADER)
    assert isinstance(rule, Rule)
    assert rule.content is Content.ATTACHMENT
    assert decide("GET", "files/" + "x" * 4000, Role.GRADER) is Refusal.NOT_LISTED
