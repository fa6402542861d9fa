"""Joining and leaving groups."""

from services.stats.record.memberships import id_of
from tests.stats.record.scenarios.polled_hub import PolledHub, at, user


def test_membership_has_from_and_until(hub: PolledHub) -> None:
    """Leaving a group ends the membership; joining again begins a new one."""
    ana = hub.state.people["ana"].id
    group = hub.state.groups["nbgrader-x"]
    left = hub.poll(5, user("ana", last=4))
    assert list(left.memberships()) == [(group, ana, at(0), at(5))]
    back = hub.poll(10, user("ana", last=9, groups=("nbgrader-x", "more")))
    assert list(back.memberships()) == [
        (group, ana, at(10), None),
        (group + 1, ana, at(10), None),
    ]


def test_unreadable_groups_stay(hub: PolledHub) -> None:
    """Memberships stay as they are if groups cannot be read or are invalid."""
    assert hub.poll(5, user("ana", last=4), groups_readable=False).left == {}
    assert hub.poll(10, user("ana", last=9, problems=("groups",))).left == {}


def test_deletion_ends_all_memberships(hub: PolledHub) -> None:
    """A deleted account leaves its groups at the poll that finds out."""
    ana, group = hub.state.people["ana"].id, hub.state.groups["nbgrader-x"]
    changes = hub.poll(5, user("ben", created=at(-5)), full=True)
    assert changes.left == {(group, ana, at(0)): at(5)}
    assert ana not in hub.state.members


def test_a_new_group_gets_the_next_id() -> None:
    """A known name keeps its id; a new one is added to both mappings."""
    known, new = {"x": 4}, dict[int, str]()
    assert id_of("x", known, new) == 4
    assert id_of("y", known, new) == 5
    assert (known, new) == ({"x": 4, "y": 5}, {5: "y"})
