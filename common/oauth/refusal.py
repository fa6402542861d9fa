"""Why a request is refused, and which reads without an XSRF token the settings allow. Pure."""

from enum import Enum

from common.oauth.xsrf import Fetch


class Refusal(Enum):
    """Why a request is refused, in the words that the client gets."""

    NOT_SIGNED_IN = "Send a Hub token, or sign in with a browser first."
    CROSS_SITE = "This request came from another site."
    FRAMED = "This page cannot be shown inside another page. Open it in its own tab."
    PLAIN_HTTP = (
        "Your browser does not say which page sent this request, so any page of this site could"
        " have sent it. Use an address that starts with https:// and a current browser. On a site"
        " without HTTPS, an administrator can set --allow-plain-http."
    )
    WORKER = (
        "A script that another page of this site has left in your browser (a service worker) could"
        " read this page. Delete this site's data in the browser's settings, open this page again,"
        " and tell an administrator."
    )
    OUTDATED_PAGE = "This page is out of date. Reload it and try again."
    NO_ACCESS = "You are signed in, but you do not have access to this service."


def refuse_read(fetch: Fetch, *, allow_frames: bool, allow_plain_http: bool) -> Refusal | None:
    """Why a read without the XSRF token that it needs is refused; None if the settings allow it."""
    if fetch.by_worker:
        return Refusal.WORKER
    if fetch.is_unknown:
        return None if allow_plain_http else Refusal.PLAIN_HTTP
    if fetch.mode == "navigate" and fetch.in_frame:
        return None if allow_frames else Refusal.FRAMED
    return Refusal.OUTDATED_PAGE
