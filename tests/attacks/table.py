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
PAGES: dict[str, Attack] = {}

#: Requests from a page of a student's own server, cookies, frames and logins.
BROWSER: dict[str, Attack] = {}

#: Code in a submission that tries to leave its sandbox.
SANDBOX: dict[str, Attack] = {}

#: The formgrader's process, its socket, its files and its responses.
PROCESS: dict[str, Attack] = {}

#: Metrics, tokens, networks and accounts.
ACCESS: dict[str, Attack] = {
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


ON_PURPOSE: dict[str, Possible] = {}
