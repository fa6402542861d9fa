"""What one poll makes of what the Hub says."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from common.hub.models import Server, User
from services.stats.intervals import Interval
from services.stats.record.sampler import Look, Sampling
from services.stats.record.state import State
from services.stats.records import Changes

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CREATED = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """So many minutes after the first poll."""
    return START + timedelta(minutes=minutes)


def server(last: float | None, *, started: float = 0, name: str = "", **more: object) -> Server:
    """A ready server that was started and last active so many minutes after the first poll."""
    values = {"ready": True, "started": at(started)} | more
    return Server(name=name, last_activity=None if last is None else at(last), **values)  # type: ignore[arg-type]  # fields by name


def user(name: str, *servers: Server, last: float | None = None, **more: object) -> User:
    """A user, by default with the account made at CREATED."""
    values = {"created": CREATED} | more
    return User(
        name=name,
        last_activity=None if last is None else at(last),
        servers={s.name: s for s in servers},
        **values,  # type: ignore[arg-type]  # fields by name
    )


class Hub:
    """A state and the polls that make it."""

    def __init__(self) -> None:
        self.state = State()

    def poll(
        self, minutes: float, *users: User, full: bool = False, whole: bool = True, **look: object
    ) -> Changes:
        """One poll that sees these users, applied."""
        sampling = Sampling(self.state, Look(now=at(minutes), **look))  # type: ignore[arg-type]  # fields by name
        sampling.see(users)
        changes = sampling.finish(whole=whole, full=full)
        self.state.apply(changes)
        return changes

    def work(self, name: str) -> list[tuple[float, float]]:
        """The person's intervals of work, in minutes."""
        minute = timedelta(minutes=1)
        return [
            ((start - START) / minute, (end - START) / minute)
            for start, end in self.state.recent.get(self.state.people[name].id, [])
        ]


@pytest.fixture
def hub() -> Hub:
    """A hub that has been polled once, with ana and ben without servers."""
    hub = Hub()
    hub.poll(0, user("ana", groups=("nbgrader-x",)), user("ben", created=at(-5)), full=True)
    return hub


def test_work_between_polls_is_one_interval(hub: Hub) -> None:
    """A server whose activity moves at each poll has worked from its start without a break."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    hub.poll(10, user("ana", server(9, started=1), last=9))
    changes = hub.poll(15, user("ana", server(14, started=1), last=14))
    assert hub.work("ana") == [(1, 14)]
    assert changes.polls[at(15)].active == 1


def test_a_running_server_alone_is_no_activity(hub: Hub) -> None:
    """A server that only runs on adds no time and no active user."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", server(4, started=1), last=4))
    assert changes.activity == {}
    assert changes.polls[at(10)].active == 0
    assert changes.polls[at(10)].servers == 1


def test_a_break_parts_the_work(hub: Hub) -> None:
    """A mark long after the last one counts for the five minutes before it."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    hub.poll(60, user("ana", server(58, started=1), last=58))
    assert hub.work("ana") == [(1, 4), (53, 58)]


def test_a_stop_is_no_activity_and_tells_the_end(hub: Hub) -> None:
    """The user's time written by a stop ends the session and counts for nothing."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", last=8))
    (session,) = changes.sessions.values()
    assert session.ended == at(8)
    assert session.last_activity == at(4)
    assert changes.activity == {}
    assert changes.polls[at(10)].active == 0


def test_a_slow_stop_is_no_activity(hub: Hub) -> None:
    """While a server is stopping its own time, set by the stop, is not believed either."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", server(9, started=1, pending="stop", ready=False), last=9))
    assert changes.activity == {}
    assert changes.sessions == {}
    changes = hub.poll(15, user("ana", last=11))
    assert next(iter(changes.sessions.values())).ended == at(11)
    assert changes.polls[at(15)].active == 0


def test_a_stop_between_the_listings_is_seen(hub: Hub) -> None:
    """A later sight of a user replaces the one with the server still there."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", server(4, started=1), last=4), user("ana", last=9.5))
    assert next(iter(changes.sessions.values())).ended == at(9.5)
    assert hub.state.running == {}


def test_a_page_view_is_a_visit_without_time(hub: Hub) -> None:
    """A user without servers whose time is new was there, for no time."""
    changes = hub.poll(5, user("ana", last=3))
    assert hub.work("ana") == [(3, 3)]
    assert changes.polls[at(5)].active == 1


def test_a_time_after_a_gap_is_no_visit(hub: Hub) -> None:
    """After hours without a poll a new time may be that of a culler's stop."""
    changes = hub.poll(300, user("ana", last=250))
    assert changes.activity == {}


def test_a_failed_start_of_long_ago_is_no_visit(hub: Hub) -> None:
    """The end of a spawn that was pending at the last poll is not the user's doing."""
    pending = Server(name="", pending="spawn", started=at(1))
    hub.poll(5, user("ana", pending, last=1))
    changes = hub.poll(10, user("ana", last=9))
    assert changes.activity == {}
    assert changes.sessions == {}


def test_restarted_server_is_a_new_session(hub: Hub) -> None:
    """Another start time under the same name ends one session and begins the next."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", server(9, started=7), last=9))
    old, new = sorted(changes.sessions.values())
    assert old.ended == at(5)
    assert (new.started, new.ended) == (at(7), None)


def test_two_servers_work_one_persons_time(hub: Hub) -> None:
    """Work in two servers at once is counted once."""
    hub.poll(10, user("ana", server(9, started=1), server(8, started=2, name="gpu"), last=9))
    hub.poll(20, user("ana", server(15, started=1), server(18, started=2, name="gpu"), last=18))
    assert hub.work("ana") == [(1, 18)]
    assert len(hub.state.running) == 2


def test_same_poll_again_changes_nothing(hub: Hub) -> None:
    """What was seen already is not written again, but for the poll itself."""
    seen = (
        user("ana", server(4, started=1), last=4, groups=("nbgrader-x",)),
        user("ben", last=3, created=at(-5)),
    )
    hub.poll(5, *seen)
    changes = hub.poll(6, *seen)
    assert len(changes) == 1
    assert changes.touched is None


def test_partial_poll_proves_no_absence(hub: Hub) -> None:
    """When a page is missing no session ends and nobody is deleted; marks still count."""
    hub.poll(5, user("ana", server(4, started=1)), user("ben", server(4), created=at(-5)))
    changes = hub.poll(10, user("ana", server(9, started=1), last=9), full=True, whole=False)
    assert {s.ended for s in changes.sessions.values()} == {None}
    assert hub.work("ana") == [(1, 9)]
    assert changes.people == {}
    assert changes.polls[at(10)].servers is None


def test_membership_has_from_and_until(hub: Hub) -> None:
    """Leaving a group ends the membership, joining again begins another."""
    ana = hub.state.people["ana"].id
    group = hub.state.groups["nbgrader-x"]
    left = hub.poll(5, user("ana", last=4))
    assert list(left.memberships()) == [(group, ana, at(0), at(5))]
    back = hub.poll(10, user("ana", last=9, groups=("nbgrader-x", "more")))
    assert list(back.memberships()) == [
        (group, ana, at(10), None),
        (group + 1, ana, at(10), None),
    ]


def test_unreadable_groups_stay(hub: Hub) -> None:
    """Without the scope to read groups, and with garbage in them, memberships stay."""
    assert hub.poll(5, user("ana", last=4), groups_readable=False).left == {}
    assert hub.poll(10, user("ana", last=9, problems=("groups",))).left == {}


def test_unreadable_servers_do_not_end_sessions(hub: Hub) -> None:
    """Garbage where the servers should be is no sign that they stopped."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", last=4, problems=("servers",)))
    assert changes.sessions == {}
    assert changes.problems == ["user 'ana': servers is not usable"]


def test_deleted_and_made_again_is_another_person(hub: Hub) -> None:
    """The same name with another time of creation begins a new history."""
    old = hub.state.people["ana"]
    changes = hub.poll(5, user("ana", created=at(4), last=4))
    assert hub.state.people["ana"].id != old.id
    assert changes.people[old.id].deleted == at(5)


def test_rename_keeps_the_person(hub: Hub) -> None:
    """A new name with a time of creation whose name is gone is the same person."""
    old = hub.state.people["ana"]
    changes = hub.poll(5, user("anna"), user("ben", created=at(-5)), full=True)
    assert hub.state.people["anna"].id == old.id
    assert "ana" not in hub.state.people
    assert changes.people[old.id].name == "anna"


def test_rename_is_not_guessed_without_a_full_listing(hub: Hub) -> None:
    """A stranger with a known time of creation asks for a full listing first."""
    sampling = Sampling(hub.state, Look(now=at(5)))
    sampling.see([user("anna", last=4)])
    assert sampling.wants_full()
    sampling.see([user("ana"), user("anna", last=4), user("ben", created=at(-5))])
    changes = sampling.finish(full=True)
    assert [p.name for p in changes.newcomers] == ["anna"]
    assert changes.renamed == {}


def test_swapped_names_keep_both_people(hub: Hub) -> None:
    """Two people who exchange their names keep their histories."""
    ana, ben = hub.state.people["ana"], hub.state.people["ben"]
    hub.poll(5, user("ben"), user("ana", created=at(-5)), full=True)
    assert hub.state.people["ben"].id == ana.id
    assert hub.state.people["ana"].id == ben.id


def test_skipped_in_one_listing_is_the_same_person_in_the_next(hub: Hub) -> None:
    """Somebody missed by a shifting page comes back with all their history."""
    old = hub.state.people["ana"]
    gone = hub.poll(5, user("ben", created=at(-5)), full=True)
    assert gone.people[old.id].deleted == at(5)
    assert gone.polls[at(5)].users == 1
    back = hub.poll(10, user("ana"), user("ben", created=at(-5)), full=True)
    assert hub.state.people["ana"] == old
    assert back.polls[at(10)].users == 2


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
def test_odd_times_lose_nothing(hub: Hub, last: float | None, worked: object) -> None:
    """A server with a useless time is a session all the same, active at its start only."""
    hub.poll(5, user("ana", server(last, started=1), last=4))
    hub.poll(10, user("ana", server(last, started=1), last=4))
    assert hub.work("ana") == worked
    assert len(hub.state.running) == 1


def test_time_ahead_that_moves_is_work_now(hub: Hub) -> None:
    """A server whose clock is ahead is active whenever its time moves, and never in the future."""
    hub.poll(5, user("ana", server(60, started=1), last=4))
    changes = hub.poll(10, user("ana", server(65, started=1), last=4))
    assert hub.work("ana")[-1] == (1, 10)
    assert "ahead of the Hub's clock" in changes.problems[0]


def test_long_work_is_cut(hub: Hub) -> None:
    """Days of work without a break are stored as pieces of at most six hours."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    for minutes in range(10, 1500, 5):
        hub.poll(minutes, user("ana", server(minutes - 1, started=1), last=minutes - 1))
    pieces = hub.state.recent[hub.state.people["ana"].id]
    assert all(piece.seconds <= 6 * 3600 for piece in pieces)
    assert all(a.end == b.start for a, b in pairwise(pieces))
    assert isinstance(pieces[0], Interval)


def test_profile_is_kept(hub: Hub) -> None:
    """A session knows the profile that its user chose."""
    changes = hub.poll(5, user("ana", server(4, started=1, user_options={"profile": "gpu"})))
    assert changes.profiles == {1: "gpu"}
    assert next(iter(changes.sessions.values())).profile_id == 1


def test_start_ahead_of_now_is_one_session(hub: Hub) -> None:
    """A start time that lies in the future makes one session, from when it was seen."""
    for minutes in (5, 10, 15):
        hub.poll(minutes, user("ana", server(4, started=500), last=4))
    (session,) = hub.state.running.values()
    assert session.started == at(5)


def test_what_happens_while_the_pages_are_read_is_counted_once(hub: Hub) -> None:
    """A start or stop after the poll began is taken with the poll or the next, never with both."""
    changes = hub.poll(5, user("ana", server(5.2, started=5.2), last=5.2))
    assert changes.sessions == {}
    hub.poll(10, user("ana", server(5.2, started=5.2), last=5.2))
    changes = hub.poll(15, user("ana", last=15.2))
    assert next(iter(changes.sessions.values())).ended == at(15)
    changes = hub.poll(20, user("ana", last=15.2))
    assert changes.activity == {}
    assert changes.polls[at(20)].active == 0
