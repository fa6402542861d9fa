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
BROWSER: dict[str, Attack] = {
    "page_read_by_a_script": Attack(
        "a page on a student's own server, opened by staff",
        "reads a page, data or the XSRF token by fetch, frame, object, prefetch or service worker",
        "403, and no token in the response",
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


ON_PURPOSE: dict[str, Possible] = {
    "single_origin": Possible(
        "subdomain_host",
        "without it, a page on a student's server reads the Hub's own pages and sets its cookies",
        "docs/deployment.md",
    ),
    "plain_http": Possible(
        "--allow-plain-http",
        "every page of the origin reads the services' pages",
        "docs/deployment.md",
    ),
}
