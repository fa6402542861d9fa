"""Scripts whose true values can be read off, each for a kind of false figure.

The first ones have the numbers of the cases that were reported; imported days (9) and names of
groups that are used again (7) have their tests in ``commands/test_import_activity`` and
``record/test_recorder``. The others were found by ``test_histories``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.stats.days import Period
from services.stats.query.access import Audience, Individual, Members, WholeHub
from services.stats.query.periods import week_by_hour
from services.stats.store.queries.dashboard import Queries
from tests.stats.reference.comparison import Comparison, reference
from tests.stats.reference.history import History, Step, polls, work
from tests.stats.reference.product import Player

Ask = Callable[[Queries], Awaitable[Any]]
MONDAY = date(2026, 3, 2)
HOUR, DAY = 60, 24 * 60
HUB = WholeHub()
X = Members("nbgrader-x")
ANA = Step(0, "create", "ana")
BEN = Step(0, "create", "ben")
EVA = Step(0, "create", "eva")
IN_X = Step(0, "join", "ana", "nbgrader-x")


def day(number: int) -> date:
    """A day, by days since Monday."""
    return date.fromordinal(MONDAY.toordinal() + number)


def on(number: int, figure: str, audience: Audience = HUB) -> Ask:
    """A figure of one day; seconds as minutes."""

    async def ask(queries: Queries) -> Any:
        (row,) = await queries.days(audience, day(number), day(number))
        value = getattr(row, figure)
        return value / 60 if value and figure.endswith("_seconds") else value

    return ask


def in_all(figure: str, last: int = 6, audience: Audience = HUB) -> Ask:
    """A figure of the period from Monday on."""

    async def ask(queries: Queries) -> Any:
        (summary,) = await queries.summaries(audience, [Period(MONDAY, day(last))])
        return getattr(summary, figure)

    return ask


def hour(weekday: int, number: int) -> Ask:
    """A cell of the week by hour."""

    async def ask(queries: Queries) -> Any:
        rows = await queries.days(HUB, date(2026, 1, 1), date(2026, 12, 31))
        return week_by_hour(rows)[weekday][number]

    return ask


def listed(field: str, audience: Audience = HUB) -> Ask:
    """A column of the table of users, by name."""

    async def ask(queries: Queries) -> Any:
        rows = await queries.people(audience, MONDAY, day(6))
        return [(row.name, getattr(row, field)) for row in rows]

    return ask


async def not_active(queries: Queries) -> Any:
    """The list of users who have not worked, and when they were last at the Hub."""
    rows = await queries.inactive(HUB, MONDAY)
    return [(row.name, row.last_present) for row in rows]


def run(first: int, last: int, user: str = "ana") -> list[Step]:
    """A server that is started, used until ``last``, and stopped five minutes later."""
    stop = Step(last + 5, "stop", user)
    return [Step(first, "start", user), *work(user, first, last), stop]


def script(*parts: Step | list[Step], **settings: Any) -> History:
    """A history in UTC, from Monday on, of events and lists of them."""
    steps = [step for part in parts for step in (part if isinstance(part, list) else [part])]
    return History(tuple(steps)).with_(**{"start": datetime(2026, 3, 2, tzinfo=UTC), **settings})


CASES: dict[str, tuple[History, list[tuple[Ask, Any]]]] = {
    "1 time that was not observed is not idle": (
        # Seven hours of work, then an idle one. The recorder is away for five hours of the work.
        script(ANA, run(0, 420)[:-1], Step(480, "stop", "ana"), polls(0, 90), polls(390, 600)),
        [
            (on(0, "active_seconds"), 90 + 5 + 30),
            (on(0, "idle_seconds"), 60),
            (on(0, "unobserved_seconds"), 295),
        ],
    ),
    "2 a gap saves nothing": (
        # Ana stops her server a minute after working, and the recorder is away for 22 minutes.
        script(ANA, run(0, 60)[:-1], Step(61, "stop", "ana"), polls(0, 60), polls(82, 200)),
        [(on(0, "saved_seconds"), 0), (on(0, "after_seconds"), 1)],
    ),
    "2 a culler saves the time until the next use": (
        script(ANA, run(0, 60)[:-1], Step(120, "stop", "ana"), run(300, 330), polls(0, 400)),
        [(on(0, "saved_seconds"), 180)],
    ),
    "3 a day that was hardly observed stays out of averages": (
        # On Monday the recorder ran for an hour; on Tuesday all day.
        script(
            *(ANA, run(DAY + 60, DAY + 120), polls(0, 60, 60), polls(DAY, 2 * DAY, 60)),
            interval=60,
        ),
        [
            (in_all("daily_active", 2), 1.0),
            (in_all("complete", 2), False),
            (in_all("active_users", 0), 0),
            (in_all("complete", 0), False),
            (in_all("complete", 1), False),
        ],
    ),
    "4 an hour that was not observed is unknown": (
        script(ANA, run(480, 540), polls(475, 600)),
        [(hour(0, 8), 1.0), (hour(0, 9), 0.0), (hour(0, 12), None)],
    ),
    "5 pruned days keep what was rolled up": (
        script(ANA, run(60, 120), polls(0, 4 * DAY, 60), interval=60, keep_days=1),
        [
            (on(0, "sessions", Individual("ana")), 1),
            (on(0, "active_seconds", Individual("ana")), 60),
            (on(0, "server_seconds", Individual("ana")), None),
            (on(0, "server_seconds"), 65),
            (listed("sessions"), [("ana", 1)]),
        ],
    ),
    "6 a page of the Hub is not work": (
        script(ANA, BEN, Step(7, "view", "ana"), run(7, 20, "ben"), polls(0, 60)),
        [(not_active, [("ana", MONDAY)]), (on(0, "active"), 1)],
    ),
    "6 work in a gap is presence": (
        script(ANA, run(100, 200), polls(0, 60), polls(300, 360)),
        [(not_active, [("ana", MONDAY)]), (on(0, "active_seconds"), 0)],
    ),
    "7 a group counts what its members did as members": (
        # Ana works on Monday, joins on Tuesday and works on Wednesday.
        script(
            *(ANA, run(60, 120), Step(DAY + 60, "join", "ana", "nbgrader-x")),
            *(run(2 * DAY + 60, 2 * DAY + 120), polls(0, 3 * DAY, 60)),
            interval=60,
        ),
        [
            (on(1, "active_7", X), 0),
            (on(2, "active_7", X), 1),
            (listed("days_active", X), [("ana", 1)]),
            (on(0, "active_seconds", Individual("ana", frozenset({"nbgrader-x"}))), 0),
        ],
    ),
    "8 days begin at midnight in the zone of the database": (
        # In Kathmandu, Tuesday begins at 18:15 UTC.
        script(ANA, run(1080, 1110), polls(1000, 1200), zone="Asia/Kathmandu"),
        [(on(0, "active_seconds"), 15), (on(1, "active_seconds"), 15)],
    ),
    "8 another zone counts the same records again": (
        script(
            *(ANA, run(1080, 1110), polls(1000, 1200), Step(1202, "zone", "", "UTC")),
            polls(1205, 1300),
            zone="Asia/Kathmandu",
        ),
        [(on(0, "active_seconds"), 30), (listed("active_seconds"), [("ana", 1800)])],
    ),
    "10 nobody leaves in a short listing": (
        script(ANA, IN_X, BEN, Step(0, "poll"), Step(5, "short", "ana"), Step(10, "poll")).with_(
            full_interval=5
        ),
        [(on(0, "members", X), 1), (listed("deleted"), [("ana", False), ("ben", False)])],
    ),
}

FOUND: dict[str, tuple[History, list[tuple[Ask, Any]]]] = {
    "a first listing that is read again has each user once": (
        script(ANA, BEN, Step(0, "short once", "ben"), Step(5, "poll")),
        [(on(0, "members"), 2), (listed("deleted"), [("ana", False), ("ben", False)])],
    ),
    "an account that is made again on its first day is new once": (
        script(
            *(BEN, Step(20, "create", "ana"), Step(40, "recreate", "ana")),
            *(Step(DAY + 60, "recreate", "ana"), polls(30, 2 * DAY, 60)),
            interval=60,
        ),
        [(on(0, "newcomers"), 2), (on(1, "newcomers"), 0)],
    ),
    "an account that was there before and is made again is not new": (
        script(ANA, Step(20, "recreate", "ana"), polls(10, 100)).with_(
            start=datetime(2026, 3, 1, 23, 55, tzinfo=UTC)
        ),
        [(on(0, "newcomers"), 0)],
    ),
    "a rename during an incomplete poll is a rename": (
        script(
            *(ANA, run(0, 20), Step(12, "rename", "ana", "anna"), Step(15, "fail", "", "2")),
            *(polls(0, 10), polls(20, 60)),
        ),
        [(listed("sessions"), [("anna", 1)]), (on(0, "members"), 1)],
    ),
    "a server that a short listing leaves out still runs": (
        # Pages of two users: the listing of recent activity ends before it proves to be short.
        script(
            *(ANA, BEN, EVA, run(0, 60)[:1], Step(20, "view", "ben"), Step(32, "view", "eva")),
            *(polls(0, 30), Step(35, "short once", "ana"), polls(40, 100)),
            page_size=2,
        ),
        [(on(0, "sessions"), 1), (on(0, "server_seconds"), 100)],
    ),
    "a week counts what is known of a day that was not observed": (
        script(ANA, run(0, 60)[:-1], Step(3 * DAY, "stop", "ana"), polls(0, 60), polls(4320, 4350)),
        [
            (in_all("server_hours"), 72.0),
            (in_all("unobserved_hours"), 71.0),
            (in_all("server_hours", 0), 24.0),
        ],
    ),
    "an hour that the clock skips was not observed": (
        script(ANA, polls(0, 2 * DAY, 60), interval=60).with_(
            zone="Europe/Berlin", start=datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
        ),
        [(hour(6, 1), 0.0), (hour(6, 2), None), (hour(6, 3), 0.0)],
    ),
    "a user's figures do not depend on the first day that is shown": (
        script(ANA, run(60, 120)[:-1], Step(DAY + 60, "stop", "ana"), polls(0, 2 * DAY, 60)).with_(
            interval=60
        ),
        [
            (on(1, "active_7", Individual("ana")), 1),
            (on(1, "saved_seconds", Individual("ana")), 23 * HOUR),
        ],
    ),
    "a group's new users count on a day without activity": (
        script(
            *(BEN, Step(20, "create", "ana"), Step(20, "join", "ana", "nbgrader-x")),
            polls(0, 2 * DAY, 60),
            interval=60,
        ),
        [(on(0, "newcomers", X), 1)],
    ),
    "a membership that ends at midnight does not show the new day": (
        script(
            *(ANA, IN_X, Step(DAY, "leave", "ana", "nbgrader-x"), run(DAY + 60, DAY + 120)),
            polls(0, 2 * DAY, 60),
            interval=60,
        ),
        [
            (on(1, "active_seconds", Individual("ana", frozenset({"nbgrader-x"}))), 0),
            (listed("active_seconds", X), [("ana", 0)]),
        ],
    ),
}
ALL = CASES | FOUND


@pytest.mark.parametrize("name", ALL)
def test_cases(runner: asyncio.Runner, playing: Player, name: str) -> None:
    """The product gives the true values, and the reference agrees with it."""
    runner.run(check(playing, *ALL[name]))


@pytest.mark.parametrize(
    "name",
    [
        "5 pruned days keep what was rolled up",
        "7 a group counts what its members did as members",
    ],
)
def test_on_postgresql(
    runner: asyncio.Runner, playing: Player, name: str, postgres_url: str
) -> None:
    """Some of the cases with the other database."""
    runner.run(check(playing, *ALL[name], postgres_url))


async def check(
    playing: Player, history: History, answers: list[tuple[Ask, Any]], db_url: str = ""
) -> None:
    """Play a history and ask the questions."""
    played = await playing.play(history, db_url)
    try:
        found = [await ask(played.queries) for ask, _ in answers]
        assert found == [truth for _, truth in answers]
        days = reference(played)
        assert days is not None
        await Comparison(played, days).all()
    finally:
        await played.queries.store.close()
