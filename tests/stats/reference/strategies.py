"""Histories that hypothesis makes up."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from tests.stats.reference.history import History, Step, work

USERS = st.sampled_from(["ana", "ben", "eva"])
GROUPS = st.sampled_from(["nbgrader-x", "nbgrader-y"])
SERVERS = st.sampled_from(["", "", "", "gpu"])

EVENTS = [
    *("start", "work", "work", "stop", "view", "join", "leave"),
    *("create", "delete", "recreate", "rename"),
]

#: By zone: a time some days before its clocks change, or a month ends.
STARTS = {
    "UTC": datetime(2026, 2, 26, 22, 0, tzinfo=UTC),
    "Europe/Berlin": datetime(2026, 3, 27, 20, 0, tzinfo=UTC),
    "Asia/Kathmandu": datetime(2026, 3, 30, 15, 0, tzinfo=UTC),
    "America/St_Johns": datetime(2026, 10, 30, 18, 0, tzinfo=UTC),
}


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Up to thirty polls, five minutes to half a day apart, and what happens between them."""
    zone = draw(st.sampled_from(sorted(STARTS)))
    interval = draw(st.sampled_from([5, 5, 60, 240]))
    steps = [Step(0, "create", name) for name in draw(st.sets(USERS))]
    minute = 0
    for _ in range(draw(st.integers(1, 30))):
        before = minute
        minute += draw(_pauses(interval))
        for _ in range(draw(st.integers(0, 3))):
            steps += draw(_events(before, minute, interval))
        steps += draw(_polls(minute))
    if draw(st.integers(0, 9)) == 0:
        step = draw(st.sampled_from(steps or [Step(0, "poll")]))
        steps.append(Step(step.minute, "zone", detail=draw(st.sampled_from(sorted(STARTS)))))
    return History(
        steps=tuple(steps),
        zone=zone,
        start=STARTS[zone],
        interval=interval,
        full_interval=draw(st.sampled_from([interval, 4 * interval, 100 * interval])),
        page_size=draw(st.sampled_from([2, 4, 200])),
        keep_days=draw(st.sampled_from([0, 0, 1, 3])),
    )


def _pauses(interval: int) -> st.SearchStrategy[int]:
    """The time to the next poll: usually on time; also early, late, or after a gap."""
    return st.one_of(
        st.just(interval),
        st.just(interval),
        st.integers(1, 2 * interval),
        st.integers(1, 4 * interval),
        st.integers(60, 3 * 24 * 60),
    )


@st.composite
def _events(draw: st.DrawFn, first: int, last: int, interval: int) -> list[Step]:
    minute = draw(st.integers(first, last))
    user = draw(USERS)
    do = draw(st.sampled_from(EVENTS))
    if do == "work":
        length = draw(st.integers(1, max(60, 2 * interval)))
        server = draw(SERVERS)
        return [Step(minute, "start", user, server), *work(user, minute, minute + length, server)]
    if do in ("start", "stop"):
        return [Step(minute, do, user, draw(SERVERS))]
    if do in ("join", "leave"):
        return [Step(minute, do, user, draw(GROUPS))]
    return [Step(minute, do, user, draw(USERS) if do == "rename" else "")]


@st.composite
def _polls(draw: st.DrawFn, minute: int) -> list[Step]:
    """A poll at that minute, sometimes of a new process, or one that something is wrong with."""
    do = draw(st.sampled_from(["poll"] * 6 + ["fail", "short", "short once", "restart"]))
    if do == "restart":
        return [Step(minute, "restart"), Step(minute, "poll")]
    if do == "fail":
        return [Step(minute, "fail", detail=str(draw(st.integers(0, 2))))]
    return [Step(minute, do, draw(USERS) if do != "poll" else "")]
