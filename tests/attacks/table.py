"""Every attack that the tests execute: who, what, and the expected outcome.

A test executes an attack if it is marked with ``@pytest.mark.attack("name")``; several tests may
share one. Each section belongs to one part of the services. docs/security.md describes the
attackers.
"""

from typing import NamedTuple


class Attack(NamedTuple):
    """``who`` attacks, ``what`` they do, and what happens instead of what they intended."""

    who: str
    what: str
    expected: str


#: Scripts through addresses, stored names and submissions, on the pages of a formgrader.
PAGES: dict[str, Attack] = {
    "stored-own-cull": Attack(
        "a user, or an administrator who copies a name",
        "names of users, servers, groups and rules, and fields of holds, that contain a script",
        "the culler's pages show them as text, with their policy and without it",
    ),
    "stored-own-stats": Attack(
        "a user",
        "names of users, servers, groups and profiles that contain a script",
        "the statistics show them as text, with their policy and without it",
    ),
    "stored-own-formgrader": Attack(
        "a grader",
        "course titles and fields of the audit log that contain a script",
        "the formgrader proxy's own pages show them as text, with their policy and without it",
    ),
    "stored-names-tables": Attack(
        "a student",
        "directory names in the exchange, names and e-mail addresses that contain a script",
        "all tables, dialogs and messages of nbgrader's pages show them as text",
    ),
    "stored-names-submission": Attack(
        "a student",
        "the same names on the page of a submission, which has them in scripts and attributes",
        "they are text there, with the page's policy and without it",
    ),
    "fuzz-pieces": Attack(
        "a student",
        "HTML, Markdown and formulas with a script, in each field of a cell and of an output",
        "the page has no script, event attribute, address, id or field of theirs",
    ),
    "fuzz-widgets": Attack(
        "a student",
        "a notebook whose metadata promises widgets without a state",
        "the page is shown and the submission can be graded",
    ),
    "fuzz-notebooks": Attack(
        "a student",
        "any notebook that nbformat accepts, assembled from hostile pieces",
        "status 200, nothing runs, and exactly the template's scores and comments, which work",
    ),
    "script in an address": Attack(
        "anyone who sends a grader a link",
        "put a script into an address, which nbgrader prints into an inline script",
        "400 with an explanation; the formgrader only sees accepted characters",
    ),
    "argument of a page": Attack(
        "anyone who sends a grader a link",
        "pass a script, a redirect or a token in the query",
        "400; only the arguments that nbgrader reads are accepted, in the form that it sends",
    ),
    "hostile name through the API": Attack(
        "a page that makes an instructor's browser send a request",
        "store a name with a script, or use a pattern as a name",
        "400; nothing is stored, recorded or run",
    ),
}

#: Requests from a page of a student's own server, cookies, frames and logins.
BROWSER: dict[str, Attack] = {}

#: Code in a submission that tries to leave its sandbox.
SANDBOX: dict[str, Attack] = {}

#: The formgrader's process, its socket, its files and its responses.
PROCESS: dict[str, Attack] = {
    "process-socket-takeover": Attack(
        "another process of the course's account",
        "connects to the formgrader's socket, or puts its own in its place",
        "the socket has no name, and only the service reaches it",
    ),
    "process-socket-inherited": Attack(
        "a program that a formgrader started",
        "serves requests on the socket that it inherited",
        "it inherits no descriptor",
    ),
    "process-stuck": Attack(
        "code in a formgrader",
        "stops or blocks the formgrader, or closes its socket",
        "the formgrader is ended and replaced, and the reason is shown and logged",
    ),
    "process-survivor": Attack(
        "a process that a formgrader started",
        "leaves its session, ignores signals, or forks all the time to outlive the formgrader",
        "it ends with the formgrader, also when the service is killed",
    ),
    "process-lock": Attack(
        "a process that a formgrader started",
        "holds the log open while its course is removed, so that all pages wait",
        "the pages of all other courses respond at once",
    ),
    "process-log-flood": Attack(
        "code in a formgrader",
        "prints gigabytes",
        "the formgrader does not wait, and the service keeps a few hundred short lines",
    ),
    "process-log-characters": Attack(
        "code in a formgrader",
        "prints control characters for the terminal or page that shows the log",
        "they are escaped",
    ),
    "process-token": Attack(
        "another process of the course's account",
        "reads the token from the formgrader's environment, arguments, files or memory",
        "the token is only in memory, and the memory cannot be read",
    ),
    "process-environment": Attack(
        "another process of a service's account",
        "reads the Hub's token from the service's environment or memory, or traces the service",
        "permission is denied",
    ),
    "private file as an attachment": Attack(
        "a grader",
        "download the gradebook, a configuration or a hidden file below a submission",
        "404 in every spelling",
    ),
    "path argument": Attack(
        "anyone who sends a grader a link",
        "make nbgrader execute a submitted configuration file with ?path=",
        "400 in every encoding and with every method",
    ),
    "unusual method": Attack(
        "a grader",
        "send TRACE to read the formgrader's token, or another method without a rule",
        "405, also in full mode",
    ),
    "method override": Attack(
        "a grader",
        "name another method in a header field or in _method",
        "the field is not forwarded, and the argument is refused",
    ),
    "upgrade of the connection": Attack(
        "a grader",
        "switch to another protocol to send requests past the checks",
        "nothing is switched, and what follows is not interpreted",
    ),
    "expectation": Attack(
        "a grader",
        "let the formgrader negotiate about the body with Expect",
        "the field is not forwarded, or 417",
    ),
    "compressed body": Attack(
        "a grader",
        "hide fields from the audit log, or expand a few bytes to gigabytes",
        "415; nothing is forwarded",
    ),
    "removed during an upload": Attack(
        "a former grader",
        "change a grade with a request begun before the removal",
        "403; permissions are checked when the body is complete",
    ),
    "endless body": Attack(
        "a grader",
        "send a body that is too large or never ends",
        "413 or 408; nothing is forwarded",
    ),
    "hostile response fields": Attack(
        "code that controls a formgrader",
        "set cookies, redirect, preload, allow origins or address the proxy by response fields",
        "fields that are not on the allow-list are removed",
    ),
    "redirect out of the course": Attack(
        "code that controls a formgrader",
        "send the grader to another course, a student's server or another site",
        "502 with an explanation",
    ),
}

#: Metrics, tokens, networks and accounts.
ACCESS: dict[str, Attack] = {
    "deploy-token-of-another-course": Attack(
        "a submission in one course",
        "uses the token of its formgrader at the formgrader of another course",
        "each course has its own token, in Compose, Swarm, Kubernetes and Ansible",
    ),
    "deploy-network-of-another-course": Attack(
        "a submission in one course",
        "connects to the formgrader of another course",
        "the two containers have no network in common",
    ),
    "account-shared-password": Attack(
        "a student",
        "signs in as an instructor, grader or admin with the password of all students",
        "refused; staff have their own passwords, in docker/ and in the demo",
    ),
}

ATTACKS: dict[str, Attack] = PAGES | BROWSER | SANDBOX | PROCESS | ACCESS


class Possible(NamedTuple):
    """What is possible on purpose: the setting, what it allows, and the page that says so."""

    setting: str
    allows: str
    documented_in: str


ON_PURPOSE: dict[str, Possible] = {}
