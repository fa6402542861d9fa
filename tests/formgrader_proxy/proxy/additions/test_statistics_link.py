"""The link to the statistics of a course's students."""

import pytest

from services.formgrader_proxy.proxy.additions.statistics_link import statistics_element

PAGE = ("formgrader", "manage_students")
STATS = "/services/stats/"


def element(
    segments: tuple[str, ...] = PAGE,
    course: str = "course101",
    groups: tuple[str, ...] = ("formgrade-course101",),
    *,
    admin: bool = False,
    stats_url: str = STATS,
) -> bytes:
    return statistics_element(segments, course, groups, admin=admin, stats_url=stats_url)


def test_manage_students_links_to_the_courses_group() -> None:
    """The element contains the address."""
    assert element() == (
        b'<meta name="formgrader-statistics" content="/services/stats/users?'
        b'group=nbgrader-course101&amp;sort=last_active">\n'
    )
    assert element((*PAGE, "")) == element()
    assert element(groups=(), admin=True) == element()


@pytest.mark.parametrize(
    "changes",
    [
        {"stats_url": ""},
        {"segments": ("formgrader", "gradebook")},
        {"segments": (*PAGE, "ana")},
        {"groups": ("instructors", "formgrade-other")},
    ],
)
def test_otherwise_there_is_no_link(changes: dict[str, object]) -> None:
    """Without statistics, on other pages, and for users to whom they are not shown."""
    assert element(**changes) == b""  # type: ignore[arg-type]
