"""The allow-list of formgrader requests: every method, path and query that may be forwarded.

It contains what the pages of nbgrader 0.9 use, taken from
``nbgrader/server_extensions/formgrader/handlers.py`` and ``apihandlers.py``, with the query
arguments that each handler or its scripts read. Anything else is refused for every role, unless the
course's mode is ``full``. The names in the addresses of nbgrader's own pages are restricted in both
modes (see :mod:`.names`).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.formgrader_proxy.access import Content, Mode, Refusal, Role
from services.formgrader_proxy.names import Kind, is_accepted, is_private_file

#: The methods that are ever forwarded. TRACE, for one, would return the upstream's token.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READ = frozenset({"GET", "HEAD"})
_NO_QUERY = re.compile("")
_ANY = re.compile(r"(?s).*")


@dataclass(frozen=True)
class Rule:
    """One line of the allow-list.

    ``pattern`` matches the path; its groups are the variable parts, whose ``kinds`` restrict them
    further. ``query`` matches the raw query. ``action`` is the name of a change in the audit log,
    in nbgrader's terms; None for a read. ``served`` requests are answered by this service and not
    forwarded: nbgrader's pages may connect to the API of their own course only.
    """

    methods: frozenset[str]
    pattern: re.Pattern[str]
    role: Role
    content: Content
    action: str | None = None
    kinds: tuple[Kind, ...] = ()
    query: re.Pattern[str] = _NO_QUERY
    websocket: bool = False
    served: bool = False

    def variable_parts(self, path: str) -> tuple[tuple[Kind, str], ...]:
        """The variable parts of a path that matches, with their kinds."""
        found = self.pattern.fullmatch(path)
        return tuple(zip(self.kinds, found.groups(), strict=True)) if found else ()


#: The parts of a path in braces. A file or attachment may consist of several segments.
_VARIABLE = re.compile(r"\{(\w+)\}")
_SEVERAL = {Kind.FILE, Kind.ATTACHMENT}


def _rule(methods: frozenset[str], path: str, role: Role, content: Content, **more: Any) -> Rule:
    kinds = tuple(Kind(name) for name in _VARIABLE.findall(path))
    pattern = _VARIABLE.sub(
        lambda found: r"(.+)" if found[1] in _SEVERAL else r"([^/]+)",
        path,
    )
    return Rule(methods, re.compile(pattern), role, content, kinds=kinds, **more)


def _read(path: str, content: Content, query: str = "", *, served: bool = False) -> Rule:
    return _rule(_READ, path, Role.GRADER, content, query=re.compile(query), served=served)


def _write(method: str, path: str, role: Role, action: str, *, served: bool = False) -> Rule:
    return _rule(frozenset({method}), path, role, Content.API, action=action, served=served)


#: What nbgrader's scripts put into a query, in the only form that they use. They count the input
#: field that is to be selected; ``undefined`` is their word for none.
_INDEX = r"(index=(-?[0-9]{1,9}|undefined|NaN))?"
_SUBMISSION = r"submission_id=[A-Za-z0-9_-]{1,64}"
_VERSION = r"(v=[A-Za-z0-9._-]*)?"
#: The version of a list of jobs.
_SINCE = r"(since=[a-z0-9-]{0,40})?"
#: Where the jobs of a course are, below its prefix.
JOBS = "formgrader/api/classroom-jobs"

#: Matched in this order against the decoded path below the course's prefix. The first match wins.
RULES: tuple[Rule, ...] = (
    _read("formgrader/?", Content.PAGE),
    _read("formgrader/(?:static|fonts)/{file}", Content.STATIC, _VERSION),
    _read("formgrader/submissions/components/{file}", Content.STATIC, _VERSION),
    _read("formgrader/manage_assignments/?", Content.PAGE),
    _read("formgrader/manage_submissions/{name}/?", Content.PAGE),
    _read("formgrader/gradebook/?", Content.PAGE),
    _read("formgrader/gradebook/{name}/?", Content.PAGE),
    _read("formgrader/gradebook/{name}/{name}/?", Content.PAGE),
    _read("formgrader/manage_students/?", Content.PAGE),
    _read("formgrader/manage_students/{name}/?", Content.PAGE),
    _read("formgrader/manage_students/{name}/{name}/?", Content.PAGE),
    _read(
        "formgrader/submissions/{id}/(?:next_incorrect|prev_incorrect|next|prev)/?",
        Content.PAGE,
        _INDEX,
    ),
    _read("formgrader/submissions/{id}/?", Content.PAGE, _INDEX),
    # The page of a submission may link to its own files with any query.
    _read("formgrader/submissions/{id}/{attachment}", Content.ATTACHMENT, ".*"),
    _read("formgrader/api/(?:status|assignments|students)", Content.API),
    _read("formgrader/api/(?:grades|comments)", Content.API, _SUBMISSION),
    _read("formgrader/api/(?:grade|comment)/{id}", Content.API),
    _read("formgrader/api/(?:assignment|notebooks|submissions)/{name}", Content.API),
    _read("formgrader/api/(?:student|student_submissions)/{student}", Content.API),
    _read("formgrader/api/submission/{name}/{student}", Content.API),
    _read("formgrader/api/submitted_notebooks/{name}/{name}", Content.API),
    _read("formgrader/api/student_notebook_submissions/{student}/{name}", Content.API),
    _write("PUT", "formgrader/api/grade/{id}", Role.GRADER, "grade"),
    _write("PUT", "formgrader/api/comment/{id}", Role.GRADER, "comment"),
    _write("POST", "formgrader/api/submitted_notebook/{id}/flag", Role.GRADER, "flag"),
    _write("PUT", "formgrader/api/assignment/{name}", Role.INSTRUCTOR, "assignment"),
    _write("PUT", "formgrader/api/student/{student}", Role.INSTRUCTOR, "student"),
    *(
        _write("POST", f"formgrader/api/assignment/{{name}}/{action}", Role.INSTRUCTOR, action)
        for action in (
            "assign",
            "release",
            "unrelease",
            "collect",
            "generate_feedback",
            "release_feedback",
        )
    ),
    *(
        _write(
            "POST",
            f"formgrader/api/assignment/{{name}}/{{student}}/{action}",
            Role.INSTRUCTOR,
            action,
        )
        for action in ("generate_feedback", "release_feedback")
    ),
    _write(
        "POST",
        "formgrader/api/submission/{name}/{student}/autograde",
        Role.INSTRUCTOR,
        "autograde",
    ),
    # The service's own. Jobs consist of the requests above.
    _read(JOBS, Content.API, _SINCE, served=True),
    *(
        _write("POST", f"{JOBS}/{path}", Role.INSTRUCTOR, action, served=True)
        for path, action in (
            ("{name}/(?:autograde|generate_feedback|release_feedback)/(?:all|needed)", "job_start"),
            ("{id}/(?:cancel|stop)", "job_cancel"),
            ("{id}/retry", "job_retry"),
        )
    ),
)


#: Below it is what only the service itself requests, in every mode.
OWN_PATH = "formgrader/api/classroom"
#: What mode = "full" adds to the allow-list. Changes made this way are audited as this action.
OTHER = "other"
_FULL_READ = Rule(_READ, _ANY, Role.GRADER, Content.PAGE, query=_ANY, websocket=True)
_FULL_FILE = Rule(_READ, _ANY, Role.GRADER, Content.ATTACHMENT, query=_ANY)
_FULL_WRITE = Rule(frozenset(), _ANY, Role.GRADER, Content.API, OTHER, query=_ANY)
#: Below it are nbgrader's own pages.
_NBGRADER = "formgrader"
#: Jupyter serves these files unchanged, so a student may have written them.
_FILES = {"files", "view", "nbconvert"}


def find_rule(
    method: str, segments: Collection[str], mode: Mode = Mode.LISTED, query: str = ""
) -> Rule | Refusal:
    """The rule that applies to a request from any user, or why there is none.

    ``segments`` are those of the path below the course's prefix, decoded and free of separators,
    and ``query`` is the raw query (see :mod:`.proxy.target`). A rule of the allow-list takes
    precedence in full mode, too: its role, content, action, names and query stay as listed.
    """
    path = "/".join(segments)
    cached = len(path) + len(query) <= _CACHED_LENGTH
    return (_find_cached if cached else _find)(method, path, query, mode)


def _find(method: str, path: str, query: str, mode: Mode) -> Rule | Refusal:
    matching = [rule for rule in RULES if rule.pattern.fullmatch(path)]
    listed = next((rule for rule in matching if method in rule.methods), None)
    if listed is not None:
        return _restrict(listed, path, query)
    if path == OWN_PATH or path.startswith(f"{OWN_PATH}/"):
        return Refusal.NOT_LISTED
    if mode is Mode.LISTED or method not in METHODS:
        return Refusal.METHOD if matching else Refusal.NOT_LISTED
    if path.partition("/")[0] == _NBGRADER:
        if first_unaccepted(path) is not None:
            return Refusal.NAME
        if query:
            return Refusal.ARGUMENT
    if method not in _READ:
        return _FULL_WRITE
    return _FULL_FILE if path.partition("/")[0] in _FILES else _FULL_READ


def _restrict(rule: Rule, path: str, query: str) -> Rule | Refusal:
    """The rule if the variable parts of the path and the query have the forms that it accepts."""
    parts = rule.variable_parts(path)
    if not all(is_accepted(kind, part) for kind, part in parts):
        return Refusal.NAME
    if any(kind is Kind.ATTACHMENT and is_private_file(part) for kind, part in parts):
        return Refusal.PRIVATE_FILE
    return rule if rule.query.fullmatch(query) else Refusal.ARGUMENT


def first_unaccepted(path: str) -> str | None:
    """The part of a path below ``formgrader/`` for which requests get :attr:`Refusal.NAME`."""
    first, _, below = path.partition("/")
    if first != _NBGRADER:
        return None
    rule = next((rule for rule in RULES if rule.pattern.fullmatch(path)), None)
    if rule is not None:
        parts = rule.variable_parts(path)
    else:  # no page of nbgrader 0.9; another version might print any part of it
        parts = tuple((Kind.NAME, part) for part in below.removesuffix("/").split("/") if below)
    return next((part for kind, part in parts if not is_accepted(kind, part)), None)


#: Pages request the same paths repeatedly, so the rules of paths up to this length are cached.
_CACHED_LENGTH = 512
_find_cached = lru_cache(maxsize=2048)(_find)


def check_role(rule: Rule | Refusal, role: Role) -> Rule | Refusal:
    """The rule if ``role`` is high enough for it, otherwise why the request is refused."""
    if isinstance(rule, Refusal) or role >= rule.role:
        return rule
    return Refusal.ROLE
