"""Repairs the links to notebooks and folders in nbgrader's pages.

``static/js/utils.js`` makes "open notebook" and "open folder" links to ``/notebooks/`` and
``/tree/`` on the formgrader's own host, where neither exists. A script appended to that file
makes them point to the grader's own JupyterLab if the course's files are visible there, and
turns them into plain text otherwise.
"""

import json

from services.formgrader_proxy.courses import Course

#: The only static file that is changed in transit.
UTILS = ("formgrader", "static", "js", "utils.js")

_TO_LAB = """
/* added by formgrader_proxy: these links open your own JupyterLab */
var linkTo = function (type, path) {
    var base = %s;
    return function (_, el) {
        var tail = path.split("/").map(encodeURIComponent).join("/");
        return $(el).attr("href", base + tail).attr("target", "_blank").attr("rel", "noopener")[0];
    };
};
"""
_PLAIN_TEXT = """
/* added by formgrader_proxy: these files are not visible in your JupyterLab */
var linkTo = function (type, path) {
    return function (_, el) {
        return $(el).removeAttr("href").removeAttr("title").css("cursor", "default")[0];
    };
};
"""


def appended_script(segments: tuple[str, ...], course: Course, hub_url: str) -> bytes:
    """What to append to the file at ``segments`` of this course: nothing unless it is utils.js.

    ``hub_url`` ends in a slash.
    """
    if segments != UTILS:
        return b""
    if course.lab_directory is None:
        return _PLAIN_TEXT.encode()
    lab_url = f"{hub_url}user-redirect/lab/tree/{course.lab_directory}/"
    return (_TO_LAB % _literal(lab_url)).encode()


def _literal(text: str) -> str:
    """A JavaScript string that is safe in a script file for any text."""
    # json.dumps() escapes everything that is not ASCII, such as U+2028.
    return json.dumps(text).replace("<", "\\u003c")
