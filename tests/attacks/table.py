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
    "rendered-address": Attack(
        "anyone who sends a link to a grader",
        "an address whose segments end a string in a script of nbgrader's page",
        "the page shows the segments as text, even if the proxy lets such an address through",
    ),
    "rendered-script": Attack(
        "a submission",
        "scripts, event handlers, frames and script addresses in Markdown and outputs",
        "none runs, with the sanitizer alone and with the policy alone",
    ),
    "rendered-metadata": Attack(
        "a submission",
        "metadata of outputs, cells and widgets that becomes HTML or ends the page",
        "the page shows the rest of the submission, with its scores",
    ),
    "rendered-request": Attack(
        "a submission",
        "pictures, styles and frames that sign the grader out or report the visit",
        "nothing is requested from outside the submission, behind each wall alone",
    ),
    "rendered-formula": Attack(
        "a submission",
        "formulas with script links, and with ids, classes and styles of the page",
        "MathJax removes them; links to other sites remain",
    ),
    "rendered-score": Attack(
        "a submission",
        "fields, ids and classes that pose as a score or a comment",
        "each graded cell has its own fields and no others",
    ),
    "rendered-overlay": Attack(
        "a submission",
        "an element that covers the scores",
        "it stays inside its cell",
    ),
    "rendered-message": Attack(
        "a student whose name contains HTML",
        "a message that nbgrader's scripts make of names",
        "the message shows the name as text, without the policy, too",
    ),
    "rendered-feedback": Attack(
        "a submission",
        "scripts in the feedback file that is made of it",
        "none runs; the file has its own policy",
    ),
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
    "fuzz-pieces": Attack(
        "a student",
        "HTML, Markdown and formulas with a script, in each field of a cell and of an output",
        "the page contains none of these scripts, event attributes, addresses, ids or fields",
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
}

#: Requests from a page of a student's own server, cookies, frames and logins.
BROWSER: dict[str, Attack] = {
    "page_read_by_a_script": Attack(
        "a page on a student's own server, opened by staff",
        "reads a page, data or the XSRF token by fetch, frame, object, prefetch or service worker",
        "403, and no token in the response",
    ),
    "page_read_by_a_worker_of_the_origin": Attack(
        "a page on a student's own server, opened by staff",
        "installs a service worker for the whole origin, which fetches or preloads pages",
        "403 with an explanation, and no token in the response",
    ),
    "page_read_in_a_window": Attack(
        "a page on a student's own server, opened by staff",
        "opens a page in a window and reads it there, whatever policy its own page has",
        "the browser separates the window from the page that opened it",
    ),
    "forged_write": Attack(
        "a page on a student's own server, opened by staff",
        "makes a hold as the administrator by fetch, beacon or form, also with a token of its own",
        "403, and no hold is made",
    ),
    "websocket_and_event_source": Attack(
        "a page on a student's own server, opened by staff",
        "opens a WebSocket or an EventSource to a page",
        "an error; nothing is received",
    ),
    "planted_login": Attack(
        "a page on a student's own server, opened by staff",
        "sets its own state cookie and sends the browser to its own callback",
        "403: the login was finished in another browser",
    ),
    "planted_session": Attack(
        "a page on a student's own server, opened by staff",
        "sets its own session cookie of a service",
        "the administrator stays signed in as themselves",
    ),
    "repeated_cookies": Attack(
        "a page on a student's own server, opened by staff",
        "sets a second cookie with the same name for a longer path",
        "400 with an explanation; the cookies are cleared",
    ),
    "grades_read_and_changed": Attack(
        "a page on a student's own server, opened by a grader",
        "reads nbgrader's pages and API in every way, and changes a grade",
        "403, and no name, score or token in the response",
    ),
    "readable_cookie": Attack(
        "a page on a student's own server, opened by a grader",
        "reads the formgrader's cookies through an error page in a frame",
        "no cookie of a service can be read by scripts",
    ),
    "page_read_over_plain_http": Attack(
        "a page on a student's own server, over plain HTTP",
        "fetches a page with the headers of a browser that opens it",
        "403 with an explanation, for the user, too",
    ),
    "page_on_a_subdomain": Attack(
        "a page on a student's own server, on a hub with subdomains",
        "reads pages of a service and of the Hub, and sets a cookie for the whole domain",
        "it has another origin, and the service's cookies cannot be set by other hosts",
    ),
    "logins_evicted": Attack(
        "anonymous clients",
        "start 10,050 logins to make the server forget a login in progress",
        "the login succeeds: the server keeps nothing about it",
    ),
    "token_of_another_service": Attack(
        "a page of another service",
        "sends the XSRF token that a user has there",
        "403: the token depends on the service, the session and the login",
    ),
}

#: Code in a submission that tries to leave its sandbox.
SANDBOX: dict[str, Attack] = {
    "sandbox-read-gradebook": Attack(
        "a student's code in autograding",
        "reads the gradebook by its path",
        "permission denied, or no such file",
    ),
    "sandbox-read-by-link": Attack(
        "a student's code in autograding",
        "reads the gradebook by a symlink, a hard link or after renaming it",
        "no link can be made or followed",
    ),
    "sandbox-read-by-proc": Attack(
        "a student's code in autograding",
        "reads the gradebook by /proc/PID/root, cwd and fd",
        "other processes are not visible",
    ),
    "sandbox-inherited-descriptor": Attack(
        "a student's code in autograding",
        "looks for open descriptors of the formgrader",
        "none is passed on",
    ),
    "sandbox-environment": Attack(
        "a student's code in autograding",
        "looks for the formgrader's token in environments",
        "its own is cleared, others are not readable",
    ),
    "sandbox-read-others": Attack(
        "a student's code in autograding",
        "reads and lists other students' work and the hidden source",
        "permission denied, or no such file",
    ),
    "sandbox-write-outside": Attack(
        "a student's code in autograding",
        "writes, renames and links into other folders",
        "permission denied, or no such file",
    ),
    "sandbox-change-gradebook": Attack(
        "a student's code in autograding",
        "changes the mode, owner, time, size and name of the gradebook",
        "it stays as it was",
    ),
    "sandbox-exchange": Attack(
        "a student's code in autograding",
        "reads and writes the exchange",
        "permission denied, or no such file",
    ),
    "sandbox-exchange-in-software": Attack(
        "a student's code in autograding",
        "reads an exchange inside the installed software, as nbgrader's default one is",
        "permission denied, or no such file; the software beside it can be read",
    ),
    "sandbox-connect": Attack(
        "a student's code in autograding",
        "connects to addresses of the machine (TCP, UDP, abstract sockets)",
        "nothing is reached",
    ),
    "sandbox-formgraders-socket": Attack(
        "a student's code in autograding",
        "connects and sends to the formgrader's socket, and removes it",
        "nothing is reached",
    ),
    "sandbox-see-processes": Attack(
        "a student's code in autograding",
        "lists processes outside",
        "none is visible",
    ),
    "sandbox-signal": Attack(
        "a student's code in autograding",
        "signals processes outside",
        "refused",
    ),
    "sandbox-trace": Attack(
        "a student's code in autograding",
        "traces processes outside, reads their memory, changes their limits and priority",
        "refused",
    ),
    "sandbox-shared-memory": Attack(
        "a student's code in autograding",
        "opens shared memory of others, and makes System V shared memory",
        "refused",
    ),
    "sandbox-namespaces": Attack(
        "a student's code in autograding",
        "makes namespaces, mounts and changes the root",
        "refused",
    ),
    "sandbox-devices": Attack(
        "a student's code in autograding",
        "opens and makes devices",
        "only null, zero, full and random exist",
    ),
    "sandbox-system-settings": Attack(
        "a student's code in autograding",
        "writes core_pattern, release_agent and other settings of the system",
        "refused",
    ),
    "sandbox-raise-limits": Attack(
        "a student's code in autograding",
        "raises its limits",
        "refused",
    ),
    "sandbox-survive": Attack(
        "a student's code in autograding",
        "leaves detached, stopped and forking processes",
        "all end with the notebook",
    ),
    "sandbox-leave-link": Attack(
        "a student's code in autograding",
        "leaves symlinks, FIFOs, sockets, strange names and setuid files for a later step",
        "they are removed",
    ),
    "sandbox-fork-bomb": Attack(
        "a student's code in autograding",
        "starts processes without end",
        "everything is stopped, and the reason is recorded",
    ),
    "sandbox-fill-disk": Attack(
        "a student's code in autograding",
        "fills the disk, also with files that have no name",
        "everything is stopped and the files are removed",
    ),
    "sandbox-hidden-files": Attack(
        "a student's code in autograding",
        "keeps files where they are hard to count: below a path that is too long, in a closed "
        "folder, in a socket's queue, in processes that hide in turns",
        "the notebook is stopped, and the files are removed",
    ),
    "sandbox-default-exchange": Attack(
        "a student's code in autograding",
        "reads submissions in nbgrader's default exchange, /usr/local/share/nbgrader",
        "it is not part of the software that the code may read",
    ),
    "sandbox-many-files": Attack(
        "a student's code in autograding",
        "creates thousands of files and very deep folders",
        "everything is stopped and the files are removed",
    ),
    "sandbox-exhaust-memory": Attack(
        "a student's code in autograding",
        "uses all memory, also memory that no process maps",
        "everything is stopped, and the reason is recorded",
    ),
    "sandbox-burn-cpu": Attack(
        "a student's code in autograding",
        "computes without end in many short processes",
        "everything is stopped, and the reason is recorded",
    ),
    "sandbox-flood-output": Attack(
        "a student's code in autograding",
        "prints without end past the notebook's outputs",
        "only the last part is kept",
    ),
    "autograde-malformed-messages": Attack(
        "a student's code in autograding",
        "sends malformed, forged or deeply nested messages to the formgrader",
        "the notebook is graded with what is valid, or stopped; the formgrader serves on",
    ),
    "autograde-floods-of-output": Attack(
        "a student's code in autograding",
        "prints 10 GB, or floods the formgrader with messages of any kind",
        "the notebook is stopped with an explanation, and the next one is graded",
    ),
    "autograde-exceeds-a-limit": Attack(
        "a student's code in autograding",
        "exceeds the memory, CPU time, processes, files, disk, output or time of a course",
        "the notebook is stopped with an explanation, and the next one is graded",
    ),
    "autograde-in-a-terminal": Attack(
        "a student's code, autograded by nbgrader in a terminal",
        "reads the gradebook",
        "the documented lines of nbgrader_config.py isolate it",
    ),
    "autograde-with-weaker-configuration": Attack(
        "a student's code in a course that configures nbgrader or a kernel",
        "reads the gradebook",
        "the settings of the courses file cannot be weakened",
    ),
}

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
    "service worker from the formgrader": Attack(
        "a page of a student's server on the same origin",
        "register a submitted script as a service worker for a grader's pages",
        "403, because the page's token is missing; Service-Worker-Allowed is removed",
    ),
    "files-link-to-the-gradebook": Attack(
        "a student who submits a symbolic link",
        "has nbgrader copy the gradebook, or another student's work, into the submission",
        "the submission is refused with an explanation, before anything is read",
    ),
    "files-that-are-not-regular": Attack(
        "a student who submits a FIFO, a socket, a device or an unreadable name",
        "stops the formgrader, or confuses its log",
        "the submission is refused with an explanation, before anything is read",
    ),
    "files-link-served": Attack(
        "a student with a link or a FIFO in an autograded folder",
        "has it served as an attachment",
        "404; only regular files of the submission are served",
    ),
    "files-link-copied-to-feedback": Attack(
        "a student with a link in an autograded folder",
        "has it copied to the feedback",
        "refused with an explanation",
    ),
    "files-left-for-a-later-step": Attack(
        "a student's code in autograding",
        "leaves a link where nbgrader writes next, a FIFO, or folders that cannot be removed",
        "only regular files and folders stay",
    ),
    "files-replaced-while-collected": Attack(
        "a student with access to the exchange",
        "replaces a file by a link while it is collected",
        "the submission is not collected",
    ),
    "files-in-the-exchange": Attack(
        "a student with access to the exchange",
        "hands in links, FIFOs, hard links, or folders with hostile names",
        "refused with an explanation; all others are collected",
    ),
    "files-executed-by-the-formgrader": Attack(
        "a student who submits configuration files and modules",
        "has the formgrader execute them",
        "only the sandbox executes a submission's code",
    ),
}

#: Metrics, tokens, networks and accounts.
ACCESS: dict[str, Attack] = {
    "job of another role or course": Attack(
        "a grader, a student, or an instructor of another course",
        "start, cancel or retry a job, or open another course's job by its number",
        "403 or 404; no request is sent to the formgrader",
    ),
    "job without a token": Attack(
        "a page on a student's own server",
        "start or cancel a job, or read the list of jobs",
        "403; nothing is started",
    ),
    "job for a pattern": Attack(
        "a student whose folder is named like a pattern",
        "have everyone autograded by the job for all submissions",
        "the item fails, and its request is never sent",
    ),
    "script in the log of a job": Attack(
        "a submission",
        "print markup and control characters, which nbgrader's log contains",
        "the pages show them as text, without the control characters",
    ),
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
    "deploy-connections-of-a-course": Attack(
        "a submission outside its sandbox",
        "connects to the formgrader service, the Hub, the database or the machine of its container",
        "dropped by the container's firewall, which the account of submissions cannot change",
    ),
    "deploy-token-file": Attack(
        "a submission outside its sandbox",
        "reads the file with the token of its course",
        "only root can open the file's folder, and nothing in the container runs as root",
    ),
    "deploy-submission-in-container": Attack(
        "a submission in the container of Compose or the pod of Kubernetes",
        "reads or changes the gradebook, other work, the exchange or the token; connects; signals",
        "refused by Landlock and seccomp in the unmodified containers; the submission is graded",
    ),
    "account-shared-password": Attack(
        "a student",
        "signs in as an instructor, grader or admin with the password of all students",
        "refused; staff have their own passwords, in docker/ and in the demo",
    ),
    "metrics_by_a_student": Attack(
        "a student with a token of their own",
        "reads the metrics of a service, which may contain user names",
        "403: the scope read:metrics or permission to see everything is required",
    ),
}

ATTACKS: dict[str, Attack] = PAGES | BROWSER | SANDBOX | PROCESS | ACCESS


class Possible(NamedTuple):
    """What is possible on purpose: the setting, what it allows, and the page that says so."""

    setting: str
    allows: str
    documented_in: str


ON_PURPOSE: dict[str, Possible] = {
    "single_origin": Possible(
        "subdomain_host",
        "without it, a page on a student's server reads the Hub's own pages and sets its cookies",
        "docs/deployment.md",
    ),
    "frames": Possible(
        "--frame-ancestors",
        "pages of the named sites show the formgrader in a frame; of the same origin, they read it",
        "docs/formgrader.md",
    ),
    "plain_http": Possible(
        "--allow-plain-http",
        "every page of the origin reads the services' pages",
        "docs/deployment.md",
    ),
    "deploy-without-sandbox": Possible(
        'sandbox = "none"',
        "in a container, code in a submission reads and changes its own course's gradebook",
        "docs/deployment.md",
    ),
    "everything else in full mode": Possible(
        'mode = "full"',
        "graders reach all that the formgrader serves: files, the gradebook, kernels, terminals",
        "docs/formgrader.md",
    ),
    "no-sandbox": Possible(
        'sandbox = "none"',
        "the code of submissions does everything that the formgrader may do",
        "docs/sandbox.md",
    ),
    "autograde-without-a-sandbox": Possible(
        'sandbox = "none"',
        "the code of a submission reads and changes all grades",
        "docs/formgrader.md",
    ),
}
