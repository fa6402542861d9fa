"""The culler's own stops do not count as activity of the user."""

from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from common.hub.models import User
from services.cull.passes.own_stops import MAX_USERS, OwnStops
from services.cull.policy.model import Flags
from tests.cull.culler import HOUR, make_culler
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub


def user_flags(**fields: Any) -> Flags:
    return Flags(timeout=HOUR, cull_users=True, **fields)


async def test_a_user_is_deleted_together_with_their_servers(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The culler's own stop, which the Hub records as activity, does not keep the user."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    fake_hub.add_server("ada", "lab", idle=3 * HOUR)
    result = await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert len(fake_hub.stopped) == 2
    assert fake_hub.deleted_users == ["ada"]
    assert (result.stopped, result.deleted) == (2, 1)


async def test_a_user_who_came_back_during_the_stop_is_kept(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Activity after the culler's stop is the user's own."""
    fake_hub.add_server("ada", idle=2 * HOUR)

    def before(request: Any) -> None:
        if request.method == "GET" and ("ada", "") in fake_hub.stopped:
            fake_hub.users["ada"].last_activity = START + timedelta(seconds=30)

    fake_hub.before = before
    await make_culler(fake_hub, session, clock, flags=user_flags()).run_pass()
    assert fake_hub.stopped == [("ada", "")]
    assert fake_hub.deleted_users == []


async def test_a_user_whose_server_stops_slowly_is_deleted_by_a_later_pass(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Not while it stops; afterwards the stop does not count as activity."""
    fake_hub.add_server("ada", idle=2 * HOUR, slow_stop=2)
    culler = make_culler(fake_hub, session, clock, flags=user_flags())
    first = await culler.run_pass()
    assert (first.stopped, first.deleted) == (1, 0)
    assert fake_hub.users["ada"].last_activity == START
    second = await culler.run_pass()
    assert second.deleted == 1


MINUTE = timedelta(minutes=1)


def user(name: str, active: datetime | None) -> User:
    return User(name=name, last_activity=active)


def test_a_user_without_an_own_stop_is_unchanged(clock: FakeClock) -> None:
    """Only users whose server the culler stopped are corrected."""
    own_stops = OwnStops(clock.now)
    own_stops.stopped("ben", None)
    assert own_stops.corrected(user("ada", START)) == user("ada", START)


@pytest.mark.parametrize(
    ("active", "corrected"),
    [
        pytest.param(START, START - MINUTE, id="at the stop"),
        pytest.param(START + timedelta(seconds=2), START - MINUTE, id="the same second"),
        pytest.param(START + timedelta(seconds=3), START + timedelta(seconds=3), id="later"),
        pytest.param(None, None, id="never"),
    ],
)
def test_activity_up_to_the_own_stop_is_replaced(
    clock: FakeClock, active: datetime | None, corrected: datetime | None
) -> None:
    """Up to the end of the stop, the activity before it counts."""
    own_stops = OwnStops(clock.now)
    own_stops.stopped("ada", START - MINUTE)
    assert own_stops.corrected(user("ada", active)) == user("ada", corrected)


def test_a_slow_stop_counts_until_it_ends(clock: FakeClock) -> None:
    """The Hub dates the activity to the end of the stop."""
    own_stops = OwnStops(clock.now)
    own_stops.stopped("ada", None)
    clock.advance(60)
    own_stops.finished("ada")
    own_stops.finished("ben")
    assert own_stops.corrected(user("ada", START + MINUTE)).last_activity is None
    assert own_stops.corrected(user("ben", START + MINUTE)).last_activity == START + MINUTE


def test_a_deleted_user_is_forgotten(clock: FakeClock) -> None:
    """A new user of the same name starts without a record."""
    own_stops = OwnStops(clock.now)
    own_stops.stopped("ada", None)
    own_stops.forget("ada")
    own_stops.forget("ben")
    assert own_stops.corrected(user("ada", START)).last_activity == START


def test_the_oldest_stops_are_forgotten_first(clock: FakeClock) -> None:
    """The memory is bounded; a repeated stop makes a user one of the newest."""
    own_stops = OwnStops(clock.now)
    own_stops.stopped("ada", None)
    own_stops.stopped("ben", None)
    own_stops.stopped("ada", None)
    for number in range(MAX_USERS - 1):
        own_stops.stopped(f"user{number}", None)
    assert own_stops.corrected(user("ben", START)).last_activity == START
    assert own_stops.corrected(user("ada", START)).last_activity is None
