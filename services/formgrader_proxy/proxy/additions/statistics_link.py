"""The link from nbgrader's "Manage Students" to the statistics of the course's students. Pure.

The service stats, where there is one, shows the members of the group ``nbgrader-<course>`` to the
members of ``formgrade-<course>``. It is only known by its address, which the settings contain.
"""

from collections.abc import Collection
from html import escape
from urllib.parse import urlencode

ELEMENT = "formgrader-statistics"
_PAGES = {("formgrader", "manage_students"), ("formgrader", "manage_students", "")}


def statistics_element(
    segments: tuple[str, ...],
    course_id: str,
    groups: Collection[str],
    *,
    admin: bool,
    stats_url: str,
) -> bytes:
    """What to append to the page at ``segments``: an element with the address, or nothing.

    ``stats_url`` ends in a slash, and is empty without statistics. ``groups`` are the user's.
    ``formgrader.js`` makes a link of the element.
    """
    if not stats_url or segments not in _PAGES:
        return b""
    if not admin and f"formgrade-{course_id}" not in groups:
        return b""
    query = urlencode({"group": f"nbgrader-{course_id}", "sort": "last_active"})
    return f'<meta name="{ELEMENT}" content="{escape(f"{stats_url}users?{query}")}">\n'.encode()
