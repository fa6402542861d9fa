"""The allow-list of requests: paths, methods, names, queries and the roles that they require."""

import inspect
import re

import pytest
from nbgrader.server_extensions.formgrader import apihandlers, handlers

from services.formgrader_proxy.access import Content, Mode, Refusal, Role
from services.formgrader_proxy.allow_list import (
    RULES,
    Rule,
    check_role,
    find_rule,
    first_unaccepted,
)


def decide(
    method: str, path: str, role: Role = Role.GRADER, mode: Mode = Mode.LISTED
) -> Rule | Refusal:
    """What happens to a request of a user with this role. The path may have a query."""
    path, _, query = path.partition("?")
    return check_role(find_rule(method, path.split("/"), mode, query), role)


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
        if path.endswith(("/grades", "/comments")):
            path += "?submission_id=x"
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


#: Every address into which nbgrader 0.9 prints a name, with the place of the name.
PRINTED = [
    "formgrader/gradebook/{}",
    "formgrader/gradebook/{}/",
    "formgrader/gradebook/ps1/{}",
    "formgrader/gradebook/{}/p1",
    "formgrader/manage_submissions/{}",
    "formgrader/manage_students/{}",
    "formgrader/manage_students/ada/{}",
    "formgrader/manage_students/{}/ps1",
    "formgrader/submissions/{}",
    "formgrader/submissions/{}/next",
    "formgrader/submissions/{}/plot.svg",
    "formgrader/static/{}",
]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("template", PRINTED)
def test_a_hostile_name_is_refused(template: str, mode: Mode) -> None:
    """It would end the string of a script. The mode of the course makes no difference."""
    path = template.format('";window.x=1;"')
    assert decide("GET", path, Role.ADMIN, mode) is Refusal.NAME
    assert first_unaccepted(path) == '";window.x=1;"'


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "formgrader/api/assignment/{}"),
        ("PUT", "formgrader/api/student/{}"),
        ("PUT", "formgrader/api/grade/{}"),
        ("POST", "formgrader/api/submission/ps1/{}/autograde"),
        ("POST", "formgrader/api/assignment/ps1/{}/release_feedback"),
        ("POST", "formgrader/api/assignment/{}/assign"),
        ("GET", "formgrader/api/notebooks/{}"),
    ],
)
@pytest.mark.parametrize("name", ["<img src=x>", "*", "[ab]", "{student_id}", ".hidden", "a&b"])
def test_hostile_names_are_refused_in_the_api(
    method: str, path: str, name: str, mode: Mode
) -> None:
    """They would be stored and shown later, or be patterns of file names."""
    assert decide(method, path.format(name), Role.ADMIN, mode) is Refusal.NAME


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", 'formgrader/extra/"x"'),
        ("POST", 'formgrader/gradebook/"x"'),
        ("DELETE", "formgrader/api/student/<x>"),
    ],
)
def test_full_mode_restricts_other_paths_of_nbgrader(method: str, path: str) -> None:
    """Another version of nbgrader might print any part of them."""
    assert decide(method, path, Role.ADMIN, Mode.FULL) is Refusal.NAME
    assert first_unaccepted(path) is not None


def test_full_mode_accepts_any_name_outside_nbgrader() -> None:
    """JupyterLab encodes what it prints, and its files have any name."""
    path = 'api/contents/Q&A\'s "best".ipynb'
    assert isinstance(decide("GET", path, mode=Mode.FULL), Rule)
    assert first_unaccepted(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "formgrader/api/submission/ps1/o'brien@example.org/autograde",
        "formgrader/api/assignment/ps1/o'brien/generate_feedback",
    ],
)
def test_students_with_an_apostrophe_are_graded(path: str) -> None:
    """The API accepts it for a student, and for nothing else."""
    assert isinstance(decide("POST", path, Role.INSTRUCTOR), Rule)
    assert decide("GET", "formgrader/manage_students/o'brien") is Refusal.NAME
    assert decide("PUT", "formgrader/api/assignment/newton's", Role.ADMIN) is Refusal.NAME


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("formgrader/submissions/abc/next?index=3", True),
        ("formgrader/submissions/abc/next?index=-1", True),
        ("formgrader/submissions/abc/prev?index=undefined", True),
        ("formgrader/submissions/abc/?index=3", True),
        ("formgrader/submissions/abc/next", True),
        ("formgrader/api/grades?submission_id=0a1b", True),
        ("formgrader/static/js/utils.js?v=2.1", True),
        ("formgrader/submissions/abc/plot.svg?size=%22", True),
        ("formgrader/submissions/abc/next?index=3&index=4", False),
        ("formgrader/submissions/abc/next?index=%33", False),
        ("formgrader/submissions/abc/next?index=1%22;alert(1)", False),
        ("formgrader/submissions/abc/next?index=3&x=1", False),
        ("formgrader/gradebook?x=1", False),
        ("formgrader?token=x", False),
        ("formgrader/manage_students/ada?_xsrf=x", False),
        ("formgrader/api/grades?submission_id=%3Cb%3E", False),
        ("formgrader/api/grades", False),
    ],
)
def test_only_arguments_that_nbgrader_reads_are_accepted(
    path: str, accepted: bool, mode: Mode
) -> None:
    """In the form that its scripts send; attachments accept any, because nothing reads them."""
    assert (decide("GET", path, mode=mode) is not Refusal.ARGUMENT) is accepted


def test_every_argument_that_nbgrader_reads_is_known() -> None:
    """A new version that reads another argument has to be looked at."""
    source = inspect.getsource(handlers) + inspect.getsource(apihandlers)
    read = set(re.findall(r"get_\w*argument\w*\(\s*['\"](\w+)", source))
    assert read == {"path", "index", "submission_id"}


@pytest.mark.parametrize(
    "name",
    [
        "gradebook.db",
        "GradeBook.DB",
        "gradebook.db-wal",
        "sub/gradebook.db",
        "gradebook.db/x",
        "\uff47radebook.db",
        "grade\u200cbook.db",
        "gradebook.db.",
        "nbgrader_config.py",
        "jupyter_server_config.json",
        ".env",
        "data/.git/config",
        "\u2024env",
    ],
)
def test_private_files_are_not_attachments(name: str) -> None:
    """Whatever their spelling, in both modes."""
    for mode in Mode:
        found = decide("GET", f"formgrader/submissions/abc/{name}", Role.ADMIN, mode)
        assert found is Refusal.PRIVATE_FILE


@pytest.mark.parametrize("name", ["a b.png", 'Q&A\'s "best".csv', "été.svg", "x.db", "a.b.c"])
def test_attachments_may_have_any_other_name(name: str) -> None:
    """Their responses are sandboxed."""
    rule = decide("GET", f"formgrader/submissions/abc/{name}")
    assert isinstance(rule, Rule)
    assert rule.content is Content.ATTACHMENT


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "TRACK", "PROPFIND", "get", ""])
def test_other_methods_are_refused_in_full_mode(method: str) -> None:
    """TRACE would return the upstream's token."""
    for path in ("lab", "formgrader", "formgrader/api/grade/g1"):
        assert isinstance(decide(method, path, Role.ADMIN, Mode.FULL), Refusal)
