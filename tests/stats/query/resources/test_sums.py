"""Sums by user, group and day: only what may be shown, each person once."""

from datetime import date

from services.stats.query.resources.names import KnownUser, Owners, ServerName
from services.stats.query.resources.slugs import Spawned
from services.stats.query.resources.sums import Shown, collect
from services.stats.query.resources.usage import GB, HOUR, DailyUse, Use

DAY, NEXT = date(2026, 3, 29), date(2026, 3, 30)
ANA = ServerName("jupyter-ana")
OWNERS = Owners([KnownUser(1, "ana", date.min, date.max)], Spawned.PODS, "jupyter")


def measured(*hours: float) -> DailyUse:
    """Ana's server with 1 GB, for that many hours on each day."""
    daily = {}
    for day, number in zip((DAY, NEXT), hours, strict=False):
        daily[ANA, day] = Use()
        daily[ANA, day].memory.add_sample(GB, None, number * HOUR)
    return daily


def test_coverage_is_by_user_and_day() -> None:
    """More measurements on one day do not make up for another; without servers it is unknown."""
    seconds = {(1, DAY): 2.0 * HOUR, (1, NEXT): 2.0 * HOUR}
    found = collect(measured(3, 1), OWNERS, seconds, Shown(None, {}), [DAY, NEXT])
    assert found.total.coverage == 0.75
    assert found.days[NEXT].coverage == 0.5
    assert found.other == Use()
    assert Use().coverage is None


def test_groups_count_days_of_membership() -> None:
    """A day of leaving and joining again counts once; a day outside not at all."""
    groups = {"x": {1: [(date.min, DAY), (DAY, DAY)]}, "y": {2: [(date.min, date.max)]}}
    shown = Shown({1: [(NEXT, NEXT)]}, groups)
    found = collect(measured(1, 1), OWNERS, {(1, DAY): HOUR}, shown, [DAY, NEXT])
    assert found.groups.keys() == {"x"}
    assert found.groups["x"].memory.measured == HOUR
    assert found.total.memory.measured == HOUR
    assert found.total.server_seconds == 0
    assert found.days[DAY] == Use()


def test_nobody_is_shown() -> None:
    """An audience without members sees nothing, not even in the sums."""
    found = collect(measured(1), OWNERS, {(1, DAY): HOUR}, Shown({}, {}), [DAY])
    assert (found.users, found.total, found.days) == ({}, Use(), {DAY: Use()})
    assert found.rest.memory.measured == HOUR


def test_the_answer_is_not_changed() -> None:
    """The measurements are used again for the next viewer."""
    daily = measured(1)
    for _ in range(2):
        found = collect(daily, OWNERS, {(1, DAY): HOUR}, Shown(None, {}), [DAY])
        assert found.total.memory.measured == HOUR
    assert daily == measured(1)
