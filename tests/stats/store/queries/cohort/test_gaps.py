"""What a gap hides of who dropped off, and what the Hub shows of it afterwards.

Ana works on Monday morning. The recorder is away from Wednesday noon to Friday noon, and the lists
are of the days from Wednesday on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from services.stats.days import Period
from services.stats.query.access import Members, WholeHub
from services.stats.query.cohort.doubt import Doubt
from services.stats.query.cohort.standing import Standing
from services.stats.store.queries.dashboard import Queries
from tests.stats.reference.history import History, Step, polls, work
from tests.stats.reference.product import player

HOUR, DAY = 60, 24 * 60
EVERY = 4 * HOUR
AWAY, BACK, END = 2 * DAY + 12 * HOUR, 4 * DAY + 12 * HOUR, 5 * DAY
START = datetime(2026, 3, 2, tzinfo=UTC)
WEDNESDAY = START.date() + timedelta(days=2)
GAP = (*polls(0, AWAY, EVERY), *polls(BACK, END, EVERY))
IN_GAP = 3 * DAY

Check = Callable[[Queries], Awaitable[None]]
Ask = Callable[[History, Check], None]

DROPPED, PRESENT = (Standing.DROPPED_OFF, None), (Standing.PRESENT, None)
NOT_STARTED = (Standing.NOT_STARTED, None)


def unknown(doubt: Doubt) -> tuple[Standing, Doubt]:
    return Standing.UNKNOWN, doubt


def worked(user: str, first: int, last: int, stop: int | None = None) -> tuple[Step, ...]:
    """Work in a server, which is stopped at the end or later; 0: it keeps running."""
    steps = (Step(first, "start", user), *work(user, first, last))
    return steps if stop == 0 else (*steps, Step(stop or last, "stop", user))


ANA = (Step(0, "create", "ana"), *worked("ana", 8 * HOUR, 10 * HOUR))
IDLE = (Step(0, "create", "ana"), *worked("ana", 8 * HOUR, 10 * HOUR, 0))
"""Her server still runs."""

CASES = {
    "not there": (ANA, DROPPED),
    "a page of the Hub": ((*ANA, Step(IN_GAP, "view", "ana")), PRESENT),
    "work in a server that is gone": ((*ANA, *worked("ana", IN_GAP, IN_GAP + HOUR)), PRESENT),
    "work in a server that still runs": (
        (*ANA, *worked("ana", IN_GAP, IN_GAP + HOUR, 0)),
        (None, None),
    ),
    "an idle server that still runs": (IDLE, DROPPED),
    "work in an idle server that still runs": (
        (*IDLE, *work("ana", IN_GAP, IN_GAP + HOUR)),
        (None, None),
    ),
    "an idle server that was stopped": (
        (*IDLE, Step(IN_GAP, "stop", "ana")),
        unknown(Doubt.SERVER),
    ),
    "work in an idle server, then the culler": (
        (*IDLE, *work("ana", IN_GAP, IN_GAP + HOUR), Step(IN_GAP + 2 * HOUR, "stop", "ana")),
        unknown(Doubt.SERVER),
    ),
    "two idle servers that were stopped": (
        (
            *(*IDLE, Step(9 * HOUR, "start", "ana", "gpu"), Step(IN_GAP, "stop", "ana")),
            Step(IN_GAP + HOUR, "stop", "ana", "gpu"),
        ),
        unknown(Doubt.SERVER),
    ),
    "an idle server that was stopped later": (
        (*IDLE, Step(END - HOUR, "stop", "ana")),
        DROPPED,
    ),
    "made again": ((*ANA, Step(IN_GAP, "recreate", "ana")), unknown(Doubt.ACCOUNT)),
    "made again, perhaps deleted in the gap": (
        (*ANA, Step(BACK + 90, "recreate", "ana")),
        unknown(Doubt.ACCOUNT),
    ),
    "work, then made again": (
        (*ANA, *worked("ana", IN_GAP, IN_GAP + HOUR), Step(IN_GAP + 90, "recreate", "ana")),
        unknown(Doubt.ACCOUNT),
    ),
    "deleted in the gap, made again after it": (
        (
            *(*ANA, *worked("ana", IN_GAP, IN_GAP + HOUR), Step(IN_GAP + 90, "delete", "ana")),
            Step(BACK + 90, "create", "ana"),
        ),
        unknown(Doubt.ACCOUNT),
    ),
    "renamed": ((*ANA, Step(IN_GAP, "rename", "ana", "anna")), DROPPED),
    "never worked": ((Step(0, "create", "ana"),), NOT_STARTED),
    "created in the gap": ((Step(IN_GAP, "create", "ana"),), NOT_STARTED),
    "never worked, made again": (
        (Step(0, "create", "ana"), Step(IN_GAP, "recreate", "ana")),
        unknown(Doubt.ACCOUNT),
    ),
}


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Plays a history, and calls a function with the queries on its records."""
    with asyncio.Runner() as runner:
        made = player(tmp_path_factory.mktemp("gaps"))
        playing = runner.run(made.__aenter__())

        async def play(history: History, check: Check) -> None:
            played = await playing.play(history)
            try:
                await check(played.queries)
            finally:
                await played.queries.store.close()

        yield lambda history, check: runner.run(play(history, check))
        runner.run(made.__aexit__(None, None, None))


Found = tuple[Standing | None, Doubt | None]


async def standing(queries: Queries, group: str = "", now: int | None = None) -> Found:
    """What is said of the only user who may be listed."""
    audience = Members(group) if group else WholeHub()
    moment = None if now is None else START + timedelta(minutes=now)
    found = await queries.standings(audience, 3, moment)
    assert found.since == WEDNESDAY
    assert len(found.rows) <= 1
    return next(((row.standing, row.doubt) for row in found.rows), (None, None))


def history(*steps: Step, **settings: int) -> History:
    return History(steps, start=START, interval=EVERY).with_(**settings)


@pytest.mark.parametrize("name", CASES)
def test_gap(ask: Ask, name: str) -> None:
    """The page for a meeting that ends on the last day says the same."""
    steps, expected = CASES[name]

    async def check(queries: Queries) -> None:
        assert await standing(queries) == expected
        period = Period(START.date(), START.date() + timedelta(days=5))
        found = await queries.standings_at_end(WholeHub(), period, 4)
        assert found.since == WEDNESDAY
        rows = [(row.standing, row.doubt) for row in found.rows]
        assert rows == ([expected] if expected[0] else [])

    ask(history(*steps, *GAP), check)


def test_incomplete_polls_do_not_end_a_gap(ask: Ask) -> None:
    """Until a poll is complete, the Hub has not shown who was there."""
    broken = (
        Step(minute, "fail", "", "0") for minute in range(END + EVERY, END + 4 * EVERY, EVERY)
    )

    async def check(queries: Queries) -> None:
        assert await standing(queries, now=END + 2 * EVERY) == DROPPED  # not overdue yet
        assert await standing(queries, now=END + 3 * EVERY) == unknown(Doubt.AWAY)
        assert await standing(queries) == DROPPED  # as of the last complete poll

    ask(history(*ANA, *polls(0, END, EVERY), *broken), check)


def test_incomplete_polls_in_a_gap(ask: Ask) -> None:
    """The complete poll after them shows everything."""
    broken = (Step(minute, "fail", "", "0") for minute in range(END - DAY, END, EVERY))

    async def check(queries: Queries) -> None:
        assert await standing(queries, now=END) == DROPPED

    ask(history(*ANA, *polls(0, END - DAY - EVERY, EVERY), *broken, *polls(END, END)), check)


def test_members(ask: Ask) -> None:
    """A gap before somebody joined says nothing about their time in the group."""
    steps = (*IDLE, Step(IN_GAP, "stop", "ana"), Step(BACK + DAY // 2, "join", "ana", "x"))

    async def check(queries: Queries) -> None:
        assert await standing(queries, "x") == NOT_STARTED
        assert await standing(queries) == unknown(Doubt.SERVER)

    ask(history(*steps, *GAP), check)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (ANA, DROPPED),
        ((*IDLE, Step(IN_GAP, "stop", "ana")), unknown(Doubt.SERVER)),
        ((*ANA, Step(IN_GAP, "view", "ana")), PRESENT),
        ((*ANA, Step(IN_GAP, "recreate", "ana")), unknown(Doubt.ACCOUNT)),
    ],
)
def test_pruned_days(ask: Ask, steps: tuple[Step, ...], expected: Found) -> None:
    """The totals of the days still show whose server ran in a gap."""

    async def check(queries: Queries) -> None:
        span = await queries.span()
        assert span is not None
        assert span.timelines_from > WEDNESDAY + timedelta(days=2)
        days = (span.last_day - WEDNESDAY).days
        (row,) = (await queries.standings(WholeHub(), days)).rows
        assert (row.standing, row.doubt) == expected

    late = polls(END + EVERY, END + 3 * DAY, EVERY)
    ask(history(*steps, *GAP, *late, keep_days=1), check)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (ANA, DROPPED),
        ((*ANA, Step(IN_GAP, "view", "ana")), unknown(Doubt.LATER)),
        ((*ANA, Step(BACK + 90, "view", "ana")), DROPPED),
    ],
)
def test_a_period_that_ends_in_a_gap(ask: Ask, steps: tuple[Step, ...], expected: Found) -> None:
    """Somebody who was at the Hub later in the same gap may have worked in the period, too."""

    async def check(queries: Queries) -> None:
        period = Period(START.date(), WEDNESDAY)
        (row,) = (await queries.standings_at_end(WholeHub(), period, 1)).rows
        assert (row.standing, row.doubt) == expected

    ask(history(*steps, *GAP), check)
