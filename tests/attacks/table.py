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
}

#: Requests from a page of a student's own server, cookies, frames and logins.
BROWSER: dict[str, Attack] = {}

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
}

#: The formgrader's process, its socket, its files and its responses.
PROCESS: dict[str, Attack] = {}

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
