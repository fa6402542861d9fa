"""Changes of the records: merging them, and removing people from them."""

from datetime import UTC, datetime, timedelta

from services.stats.records import Changes, Person, Poll, Session

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
ANA, BEN = (Person(number, name, NOW, NOW) for number, name in ((1, "ana"), (2, "ben")))
POLL = Poll(NOW, 300, 50, whole=True, full=True)


def changes() -> Changes:
    """Two people join a group and use a server each."""
    one = Changes(newcomers=[ANA, BEN], groups={1: "x"}, polls={NOW: POLL}, touched=NOW)
    for person in (ANA, BEN):
        one.join(1, person.id, NOW)
        one.sessions[person.id] = Session(person.id, person.id, "", None, NOW, NOW)
        one.activity[person.id, NOW] = NOW
    return one


def test_length_is_the_number_of_records() -> None:
    """Every record counts once: 2 people, a group, 2 memberships, sessions, activities, a poll."""
    assert len(changes()) == 2 + 1 + 2 + 2 + 2 + 1
    assert len(Changes()) == 0


def test_merging_the_same_changes_adds_no_records_with_a_key() -> None:
    """Records have final values, so the later one replaces the earlier one."""
    merged = changes()
    later = Changes(sessions={1: merged.sessions[1]._replace(ended=LATER)}, touched=LATER)
    merged.update(later)
    assert len(merged) == len(changes())
    assert merged.sessions[1].ended == LATER
    assert merged.touched == NOW


def test_the_earliest_touched_moment_is_kept() -> None:
    """Merging keeps the earliest moment whose day must be rolled up again."""
    merged = Changes()
    merged.update(Changes(polls={NOW: POLL}))
    assert merged.touched is None
    merged.touch(LATER)
    merged.update(Changes(touched=NOW))
    assert merged.touched == NOW


def test_a_later_membership_overrides_an_earlier_one() -> None:
    """Somebody who joined and left between two writes is last listed with an end."""
    merged = changes()
    merged.update(Changes(left={(1, ANA.id, NOW): LATER}))
    of_ana = [until for _, user_id, _, until in merged.memberships() if user_id == ANA.id]
    assert of_ana == [None, LATER]


def test_changed_people_override_new_ones() -> None:
    """A person who changed after being added is last listed with the new values."""
    merged = changes()
    merged.people[ANA.id] = ANA._replace(name="anna")
    assert {p.id: p.name for p in merged.everybody()} == {1: "anna", 2: "ben"}


def test_nothing_is_left_of_erased_people() -> None:
    """The copy has no record of an erased person, and the original still has them."""
    original = changes()
    original.people[ANA.id] = ANA
    original.left[1, ANA.id, NOW] = LATER
    copy = original.without_people({ANA.id})
    assert copy.people_touched() == {BEN.id}
    assert copy.polls == original.polls
    assert original.people_touched() == {ANA.id, BEN.id}
