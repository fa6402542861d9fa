"""Keys with which an open page proves, after a new sign-in, that it is a page of its user. Pure.

A page's XSRF token ends with the sign-in, but the page may have changes that were not saved. No
script can read a new token from another page, because then a page of a student's server could, too.
So each page also has a key. It is the same for all pages of one user and course, also after a
restart, and alone it is worth nothing: the service gives a new token for it only to a browser in
which the same user is signed in. The page also encrypts with it what it keeps in the browser.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from html import escape

ELEMENT = "formgrader-page"


def page_key(secret: bytes, user: str, course: str) -> str:
    """The key of this user's pages of a course, as ASCII text."""
    parts = (b"page", user.encode("utf-8", "replace"), course.encode())
    hashes = b"".join(hashlib.sha256(part).digest() for part in parts)
    return urlsafe_b64encode(hmac.digest(secret, hashes, "sha256")).decode().rstrip("=")


def page_element(key: str, own_path: str) -> bytes:
    """What to append to a page. ``own_path`` is that of the service's own pages of the course."""
    content = f'content="{escape(key)}" data-own-path="{escape(own_path)}"'
    return f'<meta name="{ELEMENT}" {content}>\n'.encode()
