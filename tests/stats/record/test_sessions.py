"""When sessions begin and end, and when their users are active."""

from datetime import timedelta
from itertools import pairwise

import pytest

from services.stats.intervals import Interval
from services.stats.record.sessions import SessionChanges
from services.stats.recorder_state import State
from services.stats.records import Changes
from tests.stats.record.scenarios.polled_hub import PolledHub, at, server, user


def test_work_between_polls_is_one_interval(hub: PolledHub) -> None:
    """A server whose activity moves at every poll was in use from its start without a break."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    hub.poll(10, user("ana", server(9, started=1), last=9))
    changes = hub.poll(15, user("ana", server(14, started=1), last=14))
    assert hub.work("ana") == [(1, 14)]
    assert changes.polls[at(15)].active == 1


def test_a_break_splits_the_work(hub: PolledHub) -> None:
    """An activity time long after the last one counts for the five minutes before it."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    hub.poll(60, user("ana", server(58, started=1), last=58))
    assert hub.work("ana") == [(1, 4), (53, 58)]


def test_restarted_server_is_a_new_session(hub: PolledHub) -> None:
    """A new start time under the same name ends one session and begins another."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", server(9, started=7), last=9))
    old, new = sorted(changes.sessions.values())
    assert old.ended == at(5)
    assert (new.started, new.ended) == (at(7), None)


def test_two_servers_work_one_persons_time(hub: PolledHub) -> None:
    """Work on two servers at the same time is counted once."""
    hub.poll(10, user("ana", server(9, started=1), server(8, started=2, name="gpu"), last=9))
    hub.poll(20, user("ana", server(15, started=1), server(18, started=2, name="gpu"), last=18))
    assert hub.work("ana") == [(1, 18)]
    assert len(hub.state.running) == 2


@pytest.mark.parametrize(
    ("last", "worked"),
    [
        pytest.param(None, [(1, 1)], id="null"),
        pytest.param(0, [(1, 1)], id="before the start"),
        pytest.param(90, [(1, 1)], id="ahead of now"),
        pytest.param(10**8, [(1, 1)], id="centuries ahead"),
        pytest.param(-(10**8), [(1, 1)], id="centuries ago"),
    ],
)
def test_invalid_times_do_not_lose_the_session(
    hub: PolledHub, last: float | None, worked: object
) -> None:
    """A server with an unusable activity time is still a session, active only at its start."""
    hub.poll(5, user("ana", server(last, started=1), last=4))
    hub.poll(10, user("ana", server(last, started=1), last=4))
    assert hub.work("ana") == worked
    assert len(hub.state.running) == 1


def test_time_ahead_that_moves_is_work_now(hub: PolledHub) -> None:
    """A server whose clock is ahead is active whenever its time moves, but never in the future."""
    hub.poll(5, user("ana", server(60, started=1), last=4))
    changes = hub.poll(10, user("ana", server(65, started=1), last=4))
    assert hub.work("ana")[-1] == (1, 10)
    assert "later than the Hub's clock" in changes.problems[0]


def test_long_work_is_split(hub: PolledHub) -> None:
    """Uninterrupted work is stored as intervals of at most six hours."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    for minutes in range(10, 1500, 5):
        hub.poll(minutes, user("ana", server(minutes - 1, started=1), last=minutes - 1))
    pieces = hub.state.recent[hub.state.people["ana"].id]
    assert all(piece.seconds <= 6 * 3600 for piece in pieces)
    assert all(a.end == b.start for a, b in pairwise(pieces))
    assert isinstance(pieces[0], Interval)


def test_profile_and_image_are_recorded(hub: PolledHub) -> None:
    """A session has the profile and the image that its user chose."""
    options = {"profile": "gpu", "image": "base:1"}
    changes = hub.poll(5, user("ana", server(4, started=1, user_options=options)))
    assert (changes.profiles, changes.images) == ({1: "gpu"}, {1: "base:1"})
    (session,) = changes.sessions.values()
    assert (session.profile_id, session.image_id) == (1, 1)
    changes = hub.poll(10, user("ben", server(9, started=6, user_options={"image": "base:2"})))
    assert (changes.profiles, changes.images) == ({}, {2: "base:2"})
    (ben,) = [one for one in changes.sessions.values() if one.ended is None]
    assert (ben.profile_id, ben.image_id) == (None, 2)


def test_start_ahead_of_now_is_one_session(hub: PolledHub) -> None:
    """A start time in the future gives one session, starting when it was first seen."""
    for minutes in (5, 10, 15):
        hub.poll(minutes, user("ana", server(4, started=500), last=4))
    (session,) = hub.state.running.values()
    assert session.started == at(5)


def test_a_server_that_is_not_ready_has_no_session(hub: PolledHub) -> None:
    """A spawning server is a session only once it is ready."""
    spawning = server(None, started=4, ready=False, pending="spawn")
    assert hub.poll(5, user("ana", spawning, last=4)).sessions == {}
    changes = hub.poll(10, user("ana", server(8, started=4), last=8))
    (session,) = changes.sessions.values()
    assert (session.started, session.last_activity) == (at(4), at(8))


def test_settled_activity_is_not_added() -> None:
    """What is older than the settled time would be missing from its day, and is cut off."""
    state = State(settled_until=at(10))
    changes = Changes()
    sessions = SessionChanges(state, changes, at(20), timedelta(minutes=10))
    sessions.add_activity(1, at(0), at(9))
    assert changes.activity == {}
    sessions.add_activity(1, at(8), at(12))
    assert changes.activity == {(1, at(10)): at(12)}
    assert changes.touched == at(10)
