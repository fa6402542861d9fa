"""What one poll makes of the pages that it reads."""

import pytest

from services.stats.record.sampler import PollContext, Sampler
from tests.stats.record.scenarios.polled_hub import PolledHub, at, server, user


def test_same_poll_again_changes_nothing(hub: PolledHub) -> None:
    """What has been seen is not written again, except for the poll itself."""
    seen = (
        user("ana", server(4, started=1), last=4, groups=("nbgrader-x",)),
        user("ben", last=3, created=at(-5)),
    )
    hub.poll(5, *seen)
    changes = hub.poll(6, *seen)
    assert len(changes) == 1
    assert changes.touched is None


def test_partial_poll_proves_no_absence(hub: PolledHub) -> None:
    """If a page is missing, no session ends and nobody is deleted; activity still counts."""
    hub.poll(5, user("ana", server(4, started=1)), user("ben", server(4), created=at(-5)))
    changes = hub.poll(10, user("ana", server(9, started=1), last=9), full=True, whole=False)
    assert {s.ended for s in changes.sessions.values()} == {None}
    assert hub.work("ana") == [(1, 9)]
    assert changes.people == {}
    assert changes.polls[at(10)].servers is None


def test_unreadable_servers_do_not_end_sessions(hub: PolledHub) -> None:
    """An invalid list of servers does not mean that they stopped."""
    hub.poll(5, user("ana", server(4, started=1), last=4))
    changes = hub.poll(10, user("ana", last=4, problems=("servers",)))
    assert changes.sessions == {}
    assert changes.problems == ["user 'ana': invalid servers"]


def test_a_later_page_overrides_an_earlier_one(hub: PolledHub) -> None:
    """A user who appears on several pages counts as last seen, unchanged or not."""
    sampler = Sampler(hub.state, PollContext(now=at(5)))
    sampler.observe([user("ana", server(4, started=1), last=4, groups=("nbgrader-x",))])
    sampler.observe([user("ana", groups=("nbgrader-x",))])
    changes = sampler.finish()
    assert len(changes) == len(changes.polls) == 1
    assert changes.had_servers == frozenset()


def test_known_creation_times_need_no_full_listing(hub: PolledHub) -> None:
    """Only an unknown name with the creation time of a known person needs a full listing."""
    sampler = Sampler(hub.state, PollContext(now=at(5)))
    sampler.observe([user("ana", last=4), user("eva", created=at(3), last=4)])
    assert not sampler.needs_full_listing()
    sampler.observe([user("anna", last=4)])
    assert sampler.needs_full_listing()
    full = Sampler(hub.state, PollContext(now=at(5), full=True))
    full.observe([user("anna", last=4)])
    assert not full.needs_full_listing()


def test_the_counts_of_a_poll() -> None:
    """A poll counts accounts, running servers and users active since the last poll."""
    hub = PolledHub()
    changes = hub.poll(0, user("ana"), user("ben", server(-1, started=-60)), full=True)
    poll = changes.polls[at(0)]
    assert (poll.users, poll.servers, poll.active) == (2, 1, 1)
    changes = hub.poll(5, user("ben", server(-1, started=-60)), user("eva", created=at(4)))
    poll = changes.polls[at(5)]
    assert (poll.users, poll.servers, poll.active) == (3, 1, 0)


@pytest.mark.parametrize(
    ("failed", "work"),
    [
        pytest.param(False, [(1, 4), (12, 17)], id="no poll failed"),
        pytest.param(True, [(1, 17)], id="a poll failed"),
    ],
)
def test_a_failed_poll_does_not_split_the_work(
    failed: bool, work: list[tuple[float, float]]
) -> None:
    """Activity times may be three intervals apart if a poll failed, else two."""
    hub = PolledHub()
    hub.poll(0, user("ana"), full=True)
    hub.poll(5, user("ana", server(4, started=1), last=4))
    if failed:
        hub.poll(10, whole=False)
        hub.poll(17, user("ana", server(17, started=1), last=17))
    else:
        hub.poll(10, user("ana", server(4, started=1), last=4))
        hub.poll(17, user("ana", server(17, started=1), last=17))
    assert hub.work("ana") == work
