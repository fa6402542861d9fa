"""Whose server a pod or container is."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.query.resources.names import KnownUser, Owners, ServerName
from services.stats.query.resources.slugs import Spawned, names

DAY = date(2026, 3, 2)


def user(
    id_: int, name: str, *servers: str, first: date = date.min, last: date = date.max
) -> KnownUser:
    """A user who always existed."""
    return KnownUser(id_, name, first, last, frozenset(servers))


USERS = [
    user(1, "ana", "gpu"),
    user(2, "a.b"),
    user(3, "a-2eb"),
    user(4, "eva", last=DAY),
    user(5, "eva", first=date(2026, 3, 4)),
    user(6, "max", last=DAY),
    user(7, "max", first=DAY),
]


@pytest.mark.parametrize(
    ("name", "day", "owner"),
    [
        ("jupyter-ana", DAY, 1),
        ("jupyter-ana--gpu", DAY, 1),
        ("jupyter-ana--tpu", DAY, None),  # no server of this name is known
        ("jupyter-an", DAY, None),
        ("jupyter-anastasia", DAY, None),
        ("ana", DAY, None),
        ("jupyter-a-2eb", DAY, None),  # a.b or a-2eb
        ("jupyter-a-b---2e7336dc", DAY, 2),
        ("jupyter-a-2d2eb", DAY, 3),
        ("jupyter-eva", DAY, 4),
        ("jupyter-eva", date(2026, 3, 3), None),  # neither existed
        ("jupyter-eva", date(2026, 3, 4), 5),
        ("jupyter-max", DAY, None),  # both existed on this day
        ("", DAY, None),
    ],
)
def test_owner(name: str, day: date, owner: int | None) -> None:
    """A name is attributed only if it fits one account, exactly."""
    assert Owners(USERS, Spawned.PODS, "jupyter").of(ServerName(name), day) == owner


@pytest.mark.parametrize("name", ["db-1", "hub-1", "db_1"])
def test_containers_of_the_deployment_are_nobodys(name: str) -> None:
    """A user cannot get the hub's own containers by their name; Compose appends a number."""
    owners = Owners([user(1, name)], Spawned.CONTAINERS, "classroom")
    for container in ("classroom-db-1", "classroom-hub-1", "classroom_db_1"):
        assert owners.of(ServerName(container), DAY) is None


def test_the_users_own_name_is_certain() -> None:
    """A label with the user's name decides, whatever the pod is called."""
    owners = Owners(USERS, Spawned.PODS, "jupyter")
    assert owners.of(ServerName("jupyter-a-2eb", "a.b"), DAY) == 2
    assert owners.of(ServerName("jupyter-ana", "nobody"), DAY) is None


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=8))
def test_never_attributed_to_another_user(known: list[str]) -> None:
    """Whatever the users are called, a server is its own user's or nobody's."""
    users = [user(number, name) for number, name in enumerate(known, 1)]
    for spawned in Spawned:
        owners = Owners(users, spawned, "jupyter")
        for number, name in enumerate(known, 1):
            for made in names(spawned, "jupyter", name, ""):
                assert owners.of(ServerName(made), DAY) in (number, None)
