"""On which days users count."""

from datetime import date

import pytest

from services.stats.settings.exclusion import Exclusion
from services.stats.store.excluded import Excluded

BOT, STAFF, BACK, OTHER = 1, 2, 3, 4


def day(number: int) -> date:
    """A day of March."""
    return date(2026, 3, number)


MEMBERS = {
    STAFF: [(day(10), date.max)],
    BACK: [(day(12), day(14)), (day(5), day(8)), (day(8), day(9))],
}
ALWAYS = Excluded(Exclusion(("bot", "group:staff")), always=frozenset({BOT}), members=MEMBERS)
LATER = Excluded(ALWAYS.exclusion, day(11), always=ALWAYS.always, members=MEMBERS)


@pytest.mark.parametrize(
    ("excluded", "user", "counted"),
    [
        pytest.param(ALWAYS, BOT, [], id="by name"),
        pytest.param(ALWAYS, STAFF, [(1, 9)], id="joined"),
        pytest.param(ALWAYS, BACK, [(1, 4), (10, 11), (15, 20)], id="came back"),
        pytest.param(ALWAYS, OTHER, [(1, 20)], id="never excluded"),
        pytest.param(LATER, BOT, [(1, 10)], id="by name, from a day on"),
        pytest.param(LATER, STAFF, [(1, 10)], id="joined before that day"),
        pytest.param(LATER, BACK, [(1, 11), (15, 20)], id="partly before that day"),
    ],
)
def test_days_on_which_a_user_counts(
    excluded: Excluded, user: int, counted: list[tuple[int, int]]
) -> None:
    """The stretches, and the answers for single days, agree."""
    stretches = [(day(first), day(last)) for first, last in counted]
    assert excluded.counted(user, day(1), day(20)) == stretches
    for number in range(1, 21):
        is_counted = any(first <= number <= last for first, last in counted)
        assert excluded.covers(user, day(number)) is not is_counted
        assert (user in excluded.on(day(number))) is not is_counted
        assert excluded.covers_all(user, day(number), day(number)) is not is_counted
    assert excluded.overlaps(user, day(1), day(20)) is (counted != [(1, 20)])
    assert not excluded.overlaps(user, day(3), day(2))


def test_edges_are_where_somebody_begins_or_ceases_to_count() -> None:
    """Between two edges, each user counts on all days or on none."""
    assert {one.day for one in ALWAYS.edges()} == {5, 8, 9, 10, 12, 15}
    assert day(11) in LATER.edges()
    assert Excluded().edges() == set()
    assert not Excluded()
