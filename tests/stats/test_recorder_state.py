"""What the recorder remembers between polls."""

from datetime import timedelta

from services.stats.intervals import Interval
from services.stats.recorder_state import RECENT, State
from services.stats.records import Changes, Person, Poll, Session
from tests.stats.record.conftest import hub
from tests.stats.record.scenarios.polled_hub import CREATED, PolledHub, at, server, user

__all__ = ["hub"]


def test_a_person_is_deleted_and_comes_back() -> None:
    """A deleted person is remembered under their id, and found again under their name."""
    state = State()
    ana = Person(7, "ana", CREATED, at(0))
    state.apply(Changes(newcomers=[ana]))
    state.apply(Changes(people={7: ana._replace(deleted=at(5))}))
    assert (state.people, list(state.deleted)) == ({}, [7])
    state.apply(Changes(people={7: ana}))
    assert (state.people, state.deleted) == ({"ana": ana}, {})
    assert state.next_person == 8


def test_deleting_the_former_owner_of_a_name_keeps_the_new_one() -> None:
    """Two changes about one name, in either order, leave the person who has the account."""
    old, new = Person(1, "ana", CREATED, at(0)), Person(2, "ana", at(4), at(5))
    state = State()
    state.apply(Changes(newcomers=[old]))
    state.apply(Changes(newcomers=[new], people={1: old._replace(deleted=at(5))}))
    assert state.people == {"ana": new}


def test_people_in_the_same_groups_share_one_tuple() -> None:
    """The memberships of a large course are stored once, not once per member."""
    state = State()
    changes = Changes()
    for user_id in (1, 2):
        changes.join(9, user_id, at(0))
    state.apply(changes)
    assert state.members[1] is state.members[2]


def test_activity_that_can_no_longer_grow_is_dropped() -> None:
    """Only recent activity is kept, except that of a person whose server still runs."""
    state = State()
    running = Session(1, 1, "", None, at(0), at(4))
    intervals = {(user_id, at(0)): at(4) for user_id in (1, 2)}
    state.apply(Changes(sessions={1: running}, activity={**intervals}))
    assert set(state.recent) == {1, 2}
    later = at(4) + RECENT + timedelta(seconds=1)
    poll = Poll(later, 300, 50, whole=True, full=False)
    state.apply(Changes(polls={later: poll}))
    assert state.recent == {1: [Interval(at(0), at(4))]}
    assert state.settled_for(1, [""]) == at(4)
    assert state.settled_for(2, []) == later - RECENT


def test_only_complete_polls_count_as_the_last_one(hub: PolledHub) -> None:
    """An incomplete poll moves neither the last poll nor the last full listing."""
    hub.poll(5, full=True, whole=False)
    assert (hub.state.last_poll, hub.state.last_full) == (at(0), at(0))
    hub.poll(10)
    assert (hub.state.last_poll, hub.state.last_full) == (at(10), at(0))


def test_users_with_servers_are_remembered_for_one_poll(hub: PolledHub) -> None:
    """The names of users with a server are those of the last poll only."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    assert hub.state.had_servers == {"ana"}
    hub.poll(10, user("ana", last=9))
    assert hub.state.had_servers == frozenset()
