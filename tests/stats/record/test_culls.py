"""A cull is not activity: what a stop writes is never counted as the user's doing."""

import pytest

from common.hub.models import Server
from services.stats.record.culls import end_of_stopped, presence, reported_activity
from services.stats.record.observed import ServerSeen, UserSeen
from services.stats.records import Session
from tests.stats.record.scenarios.polled_hub import PolledHub, at, server, user

SESSION = Session(1, 1, "", None, started=at(1), last_activity=at(4))


@pytest.mark.parametrize(
    ("pending", "counts"), [(None, True), ("spawn", True), ("stop", False)], ids=str
)
def test_the_time_of_a_stopping_server_is_ignored(pending: str | None, counts: bool) -> None:
    """A server's own time counts, unless its stop is pending."""
    seen = ServerSeen.of(server(4, pending=pending))
    assert reported_activity(seen) == (at(4) if counts else None)


def test_a_stopped_session_ends_when_the_stop_was_written() -> None:
    """The user's new time is the end; without one, the last poll; without any, the last work."""
    assert end_of_stopped(SESSION, at(8), at(5)) == at(8)
    assert end_of_stopped(SESSION, None, at(5)) == at(5)
    assert end_of_stopped(SESSION, None, None) == at(4)


def test_the_exact_end_of_a_session(hub: PolledHub) -> None:
    """A session of three minutes and a half is as long, although polls are five minutes apart."""
    hub.poll(5, user("ana", server(4.5, started=4.5), last=4.5))
    changes = hub.poll(10, user("ana", last=8))
    (session,) = changes.sessions.values()
    assert (session.started, session.ended) == (at(4.5), at(8))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(server(8, started=1, name="gpu"), id="work in another server"),
        pytest.param(server(8.01, started=8, name="gpu"), id="a start of another server"),
    ],
)
def test_another_server_explains_the_time(hub: PolledHub, other: Server) -> None:
    """If the user's time is that of another server, the stop was at any time since the poll."""
    hub.poll(5, user("ana", server(4, started=1), server(4, started=1, name="gpu"), last=4))
    changes = hub.poll(10, user("ana", other, last=8))
    (ended,) = [one for one in changes.sessions.values() if one.server == ""]
    assert ended.ended == at(5)


def test_two_servers_stopped_at_different_times(hub: PolledHub) -> None:
    """The user's time is that of the later stop, and nobody knows which server it was."""
    hub.poll(5, user("ana", server(4, started=1), server(4, started=1, name="gpu"), last=4))
    changes = hub.poll(10, user("ana", last=8))
    assert {one.ended for one in changes.sessions.values()} == {at(5)}


@pytest.mark.parametrize(
    ("servers", "had_server"),
    [
        pytest.param((ServerSeen.of(server(4)),), False, id="has a server"),
        pytest.param((), True, id="had a server"),
    ],
)
def test_a_possible_stop_is_no_presence(servers: tuple[ServerSeen, ...], had_server: bool) -> None:
    """A user's new time counts only if no known server of theirs can have been stopped."""
    seen = UserSeen(groups=(), created=None, new_activity=at(8))
    assert presence(seen, had_server=False) == at(8)
    assert presence(seen._replace(servers=servers), had_server=had_server) is None


def test_a_running_server_alone_is_no_activity(hub: PolledHub) -> None:
    """A server that merely keeps running adds no time and no active user."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", server(4, started=1), last=4))
    assert changes.activity == {}
    assert changes.polls[at(10)].active == 0
    assert changes.polls[at(10)].servers == 1


def test_a_stop_ends_the_session_and_is_no_activity(hub: PolledHub) -> None:
    """The time that a stop writes to the user is the end of the session and nothing else."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", last=8))
    (session,) = changes.sessions.values()
    assert session.ended == at(8)
    assert session.last_activity == at(4)
    assert changes.activity == {}
    assert changes.polls[at(10)].active == 0


def test_a_slow_stop_is_no_activity(hub: PolledHub) -> None:
    """While a stop is pending, the server's own new time is ignored as well."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", server(9, started=1, pending="stop", ready=False), last=9))
    assert changes.activity == {}
    assert changes.sessions == {}
    changes = hub.poll(15, user("ana", last=11))
    assert next(iter(changes.sessions.values())).ended == at(11)
    assert changes.polls[at(15)].active == 0


def test_a_stop_while_the_pages_are_read_is_seen(hub: PolledHub) -> None:
    """A later page without the server overrides an earlier one that still had it."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", server(4, started=1), last=4), user("ana", last=9.5))
    assert next(iter(changes.sessions.values())).ended == at(9.5)
    assert hub.state.running == {}


def test_a_page_view_is_presence_and_not_activity(hub: PolledHub) -> None:
    """A user without servers and with a new time was there, and did not work in a server."""
    changes = hub.poll(5, user("ana", last=3))
    assert hub.work("ana") == [(3, 3)]
    assert changes.polls[at(5)].active == 0


def test_a_new_time_in_a_gap_is_presence(hub: PolledHub) -> None:
    """The Hub shows that the user was there during the outage; nobody saw what they did."""
    changes = hub.poll(300, user("ana", last=250))
    assert hub.work("ana") == [(250, 250)]
    assert changes.polls[at(300)].active == 0


def test_a_failed_spawn_is_no_presence(hub: PolledHub) -> None:
    """The failure of a spawn that was pending at the last poll is not the user's doing."""
    pending = Server(name="", pending="spawn", started=at(1))
    hub.poll(5, user("ana", pending, last=1))
    changes = hub.poll(10, user("ana", last=9))
    assert changes.activity == {}
    assert changes.sessions == {}


def test_a_start_or_stop_during_a_poll_is_counted_once(hub: PolledHub) -> None:
    """A start or stop after the poll began belongs to that poll or the next, never to both."""
    changes = hub.poll(5, user("ana", server(5.2, started=5.2), last=5.2))
    assert changes.sessions == {}
    hub.poll(10, user("ana", server(5.2, started=5.2), last=5.2))
    changes = hub.poll(15, user("ana", last=15.2))
    assert next(iter(changes.sessions.values())).ended == at(15)
    changes = hub.poll(20, user("ana", last=15.2))
    assert changes.activity == {}
    assert changes.polls[at(20)].active == 0
