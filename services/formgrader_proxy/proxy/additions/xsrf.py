"""The XSRF token in nbgrader's pages, and which pages may have a formgrader's responses. Pure.

nbgrader's scripts read the token from a cookie. Every page of the same origin could read such a
cookie: it only has to show an error page below the cookie's path in a frame. So the token is an
element at the end of each page, and nbgrader's function that reads the cookie is replaced.
"""

from html import escape

from common.oauth.xsrf import Exposure
from services.formgrader_proxy.access import Content, Mode

#: The file with nbgrader's function ``getCookie``.
BACKBONE_XSRF = ("formgrader", "static", "js", "backbone_xsrf.js")
ELEMENT = "formgrader-xsrf"

_GET_COOKIE = f"""
/* added by formgrader_proxy: the token is in the page and not in a cookie */
getCookie = function (name) {{
    var found = name === "_xsrf" && document.querySelector('meta[name="{ELEMENT}"]');
    return found ? found.content : undefined;
}};
""".encode()


def token_element(token: str) -> bytes:
    """What to append to a page: the element with the token, or nothing without a token."""
    if not token:
        return b""
    return f'\n<meta name="{ELEMENT}" content="{escape(token)}">\n'.encode()


def token_script(segments: tuple[str, ...]) -> bytes:
    """What to append to the file at ``segments``: nothing unless it is backbone_xsrf.js."""
    return _GET_COOKIE if segments == BACKBONE_XSRF else b""


_EXPOSURE = {Content.STATIC: Exposure.PUBLIC, Content.ATTACHMENT: Exposure.EMBEDDED}


def exposure_of(content: Content, mode: Mode) -> Exposure:
    """nbgrader's own files are the same for every user, and a notebook's page shows pictures.

    In the mode ``full`` it is unknown which of the other paths are scripts and styles.
    """
    if mode is Mode.FULL and content is Content.PAGE:
        return Exposure.EMBEDDED
    return _EXPOSURE.get(content, Exposure.PRIVATE)
