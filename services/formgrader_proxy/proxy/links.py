"""The links of nbgrader's pages that lead nowhere behind a hub, put right.

``static/js/utils.js`` makes "open notebook" and "open folder" links to ``/notebooks/`` and
``/tree/`` of the formgrader's own host, which are dead here. Appended to that file, this
makes them lead to the grader's own JupyterLab where that sees the course's files, and shows
plain text elsewhere.
"""

import json

from services.formgrader_proxy.access import Content

#: The one static file that is changed on its way.
UTILS = ("formgrader", "static", "js", "utils.js")

_TO_LAB = """
/* put right by formgrader_proxy: these links lead to your own JupyterLab */
var linkTo = function (type, path) {
    var base = %s;
    return function (_, el) {
        var tail = path.split("/").map(encodeURIComponent).join("/");
        return $(el).attr("href", base + tail).attr("target", "_blank").attr("rel", "noopener")[0];
    };
};
"""
_TO_NOWHERE = """
/* put right by formgrader_proxy: your JupyterLab does not see these files */
var linkTo = function (type, path) {
    return function (_, el) {
        return $(el).removeAttr("href").removeAttr("title").css("cursor", "default")[0];
    };
};
"""


def link_script(lab_url: str | None) -> bytes:
    """What to append to utils.js. ``lab_url`` ends in a slash; None where there is none."""
    return (_TO_NOWHERE if lab_url is None else _TO_LAB % _literal(lab_url)).encode()


def _literal(text: str) -> str:
    """A JavaScript string that is safe inside a script file, whatever the text."""
    return json.dumps(text).replace("<", "\\u003c").replace("\u2028", "").replace("\u2029", "")


def changes(segments: tuple[str, ...], content: Content) -> bool:
    """Whether this answer is the one to append to."""
    return content is Content.STATIC and segments == UTILS
