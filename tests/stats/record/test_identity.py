"""Which person each user of a poll is."""

from datetime import timedelta

from services.stats.record.identity import IdentityMatcher
from services.stats.record.observed import UserSeen
from services.stats.record.sampler import PollContext, Sampler
from services.stats.recorder_state import State
from services.stats.records import MADE_UP, Person
from tests.stats.record.scenarios.polled_hub import CREATED, PolledHub, at, user

NOW = at(5)


def seen(created: object = CREATED) -> UserSeen:
    """A user without groups and servers."""
    return UserSeen(groups=(), created=created, new_activity=None)  # type: ignore[arg-type]  # a time or None


def state_of(*people: Person) -> State:
    """A state in which these people have accounts."""
    return State(people={p.name: p for p in people}, next_person=len(people) + 1)


def test_two_candidates_for_a_rename_are_not_merged() -> None:
    """If two missing people were created at the same time, neither becomes the new name."""
    state = state_of(Person(1, "ana", CREATED, at(0)), Person(2, "ben", CREATED, at(0)))
    matcher = IdentityMatcher(state, NOW)
    matcher.match_missing({"eva": seen()}, set(), all_listed=True)
    assert matcher.identify("eva", seen()).id == 3
    assert matcher.deleted() == {1, 2}


def test_two_new_names_for_one_missing_person_are_not_merged() -> None:
    """If two new users have the creation time of a missing person, both are new."""
    matcher = IdentityMatcher(state_of(Person(1, "ana", CREATED, at(0))), NOW)
    users = {"eva": seen(), "eve": seen()}
    matcher.match_missing(users, set(), all_listed=True)
    assert [matcher.identify(name, user).id for name, user in users.items()] == [2, 3]


def test_an_unknown_creation_time_is_filled_in() -> None:
    """A person imported without a creation time gets it, and stays the same person."""
    matcher = IdentityMatcher(state_of(Person(1, "ana", None, at(0))), NOW)
    matcher.match_missing({"ana": seen()}, set(), all_listed=True)
    assert matcher.identify("ana", seen()) == Person(1, "ana", CREATED, at(0))
    assert matcher.people[1].created == CREATED


def test_an_unreadable_creation_time_keeps_the_person() -> None:
    """A user without a readable creation time is the known person of that name."""
    ana = Person(1, "ana", CREATED, at(0))
    matcher = IdentityMatcher(state_of(ana), NOW)
    matcher.match_missing({"ana": seen(None)}, set(), all_listed=True)
    assert matcher.identify("ana", seen(None)) == ana
    assert matcher.people == {}


def test_demo_people_are_never_deleted() -> None:
    """People of demo data have no account, and their absence means nothing."""
    matcher = IdentityMatcher(state_of(Person(1, "made-up-0001", MADE_UP, at(0))), NOW)
    matcher.match_missing({}, set(), all_listed=True)
    assert matcher.deleted() == set()


def test_absence_means_nothing_without_a_full_listing() -> None:
    """Only a listing of all users can show that an account was deleted."""
    state = state_of(Person(1, "ana", CREATED, at(0)), Person(2, "ben", at(-5), at(0)))
    partial = IdentityMatcher(state, NOW)
    partial.match_missing({}, set(), all_listed=False)
    assert partial.deleted() == set()
    full = IdentityMatcher(state, NOW)
    full.match_missing({}, {2}, all_listed=True)
    assert full.deleted() == {1}
    assert full.people[1].deleted == NOW


def test_first_poll_knows_nobody() -> None:
    """Before the first poll every user is new; a deleted person counts as known."""
    assert IdentityMatcher(State(), NOW).knows_nobody
    gone = Person(1, "ana", CREATED, at(0), deleted=NOW - timedelta(minutes=1))
    assert not IdentityMatcher(State(deleted={1: gone}), NOW).knows_nobody


def test_deleted_and_made_again_is_the_same_person(hub: PolledHub) -> None:
    """A name is a person, whether or not a poll has seen it without an account."""
    old = hub.state.people["ana"]
    changes = hub.poll(5, user("ana", created=at(4), last=4))
    again = old._replace(created=at(4), first_created=old.created)
    assert hub.state.people["ana"] == again
    assert changes.newcomers == []
    gone = hub.poll(10, user("ben", created=at(-5)), full=True)
    assert gone.people[old.id].deleted == at(10)
    back = hub.poll(15, user("ana", created=at(14)), user("ben", created=at(-5)), full=True)
    assert hub.state.people["ana"] == again._replace(created=at(14))
    assert (back.newcomers, back.polls[at(15)].users) == ([], 2)


def test_a_rebuilt_hub_has_the_same_people(hub: PolledHub) -> None:
    """A new Hub database has other creation times, and nobody is new or deleted."""
    before = {name: person.id for name, person in hub.state.people.items()}
    changes = hub.poll(5, user("ana", created=at(3)), user("ben", created=at(3)), full=True)
    assert {name: person.id for name, person in hub.state.people.items()} == before
    assert changes.newcomers == []
    assert changes.polls[at(5)].users == 2


def test_a_name_that_a_renamed_user_left_is_free(hub: PolledHub) -> None:
    """Ana is now Anna. The next user of her former name is somebody else."""
    old = hub.state.people["ana"]
    users = user("anna"), user("ana", created=at(4)), user("ben", created=at(-5))
    hub.poll(5, *users, full=True)
    assert hub.state.people["anna"].id == old.id
    assert hub.state.people["ana"].id not in {old.id, hub.state.people["ben"].id}


def test_by_account_a_name_made_again_is_another_person(hub: PolledHub) -> None:
    """The same name with another creation time is another person with their own history."""
    old = hub.state.people["ana"]
    changes = hub.poll(5, user("ana", created=at(4), last=4), by_account=True)
    assert hub.state.people["ana"].id != old.id
    assert changes.people[old.id].deleted == at(5)


def test_rename_keeps_the_person(hub: PolledHub) -> None:
    """A new name with the creation time of a missing person is that person, renamed."""
    old = hub.state.people["ana"]
    changes = hub.poll(5, user("anna"), user("ben", created=at(-5)), full=True)
    assert hub.state.people["anna"].id == old.id
    assert "ana" not in hub.state.people
    assert changes.people[old.id].name == "anna"


def test_rename_is_not_guessed_without_a_full_listing(hub: PolledHub) -> None:
    """An unknown name with a known creation time requires a full listing first."""
    sampler = Sampler(hub.state, PollContext(now=at(5)))
    sampler.observe([user("anna", last=4)])
    assert sampler.needs_full_listing()
    sampler.observe([user("ana"), user("anna", last=4), user("ben", created=at(-5))])
    changes = sampler.finish(full=True)
    assert [p.name for p in changes.newcomers] == ["anna"]
    assert changes.renamed == {}


def test_swapped_names_keep_both_people(hub: PolledHub) -> None:
    """Two people who swap their names keep their histories."""
    ana, ben = hub.state.people["ana"], hub.state.people["ben"]
    hub.poll(5, user("ben"), user("ana", created=at(-5)), full=True)
    assert hub.state.people["ben"].id == ana.id
    assert hub.state.people["ana"].id == ben.id


def test_skipped_in_one_listing_is_the_same_person_in_the_next(hub: PolledHub) -> None:
    """A user skipped because pages shifted comes back with all their history."""
    old = hub.state.people["ana"]
    gone = hub.poll(5, user("ben", created=at(-5)), full=True)
    assert gone.people[old.id].deleted == at(5)
    assert gone.polls[at(5)].users == 1
    back = hub.poll(10, user("ana"), user("ben", created=at(-5)), full=True)
    assert hub.state.people["ana"] == old
    assert back.polls[at(10)].users == 2
