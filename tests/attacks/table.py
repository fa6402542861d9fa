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
SANDBOX: dict[str, Attack] = {}

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
}

ATTACKS: dict[str, Attack] = PAGES | BROWSER | SANDBOX | PROCESS | ACCESS


class Possible(NamedTuple):
    """What is possible on purpose: the setting, what it allows, and the page that says so."""

    setting: str
    allows: str
    documented_in: str


ON_PURPOSE: dict[str, Possible] = {
    "deploy-without-sandbox": Possible(
        'sandbox = "none"',
        "in a container, code in a submission reads and changes its own course's gradebook",
        "docs/deployment.md",
    ),
}
