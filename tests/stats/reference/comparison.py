"""The product's answers beside those of the reference, in the same units."""

import json
from datetime import date, timedelta
from typing import Any

from services.stats.days import By, Period
from services.stats.query.access import Audience, Individual, Members, WholeHub
from services.stats.query.cohort.standing import Standing
from services.stats.query.people import PersonRow
from services.stats.query.periods import week_by_hour
from services.stats.records import GroupDay
from tests.stats.reference import periods
from tests.stats.reference.days import Days
from tests.stats.reference.days import GroupDay as Row
from tests.stats.reference.product import Played
from tests.stats.reference.seen import Seen, User, by_group
from tests.stats.reference.truth import Truth


def reference(played: Played) -> Days | None:
    """The reference's days of a history; None if no poll was complete."""
    seen = Seen(played.history)
    for polled in played.polled:
        seen.read(polled)
    return Days(seen, played.zone) if seen.complete else None


class Comparison:
    """Compares everything. The first difference raises AssertionError."""

    def __init__(self, played: Played, days: Days) -> None:
        self.played, self.queries, self.days = played, played.queries, days
        self.history = played.history
        self.truth = Truth(played.history)
        self.pruned_before = date.min

    async def all(self) -> None:
        """Compare every audience."""
        span = await self.queries.span()
        assert span is not None
        days = self.days.days
        assert (span.first_day, span.last_day) == (days[0], days[-1])
        self.pruned_before = span.timelines_from
        await self.audience(WholeHub(), self.days.hub())
        for group, _ in sorted(by_group(self.days.seen.users).items()):
            await self.audience(Members(group), self.days.group(group), group)
        for user in self._unique_names():
            await self.user(user)
        await self.gaps()
        for number in (1, 2, len(days)):
            await self.dropped_off(number)

    async def dropped_off(self, number: int) -> None:
        """Nobody is said to have dropped off who worked on these days, or said not to have come."""
        found = await self.queries.standings(WholeHub(), number)
        for row in found.rows:
            last = max((self._day(m) for m in self._worked(row.name)), default=date.min)
            if row.standing in (Standing.DROPPED_OFF, Standing.NOT_STARTED):
                assert last < found.since, (row, found.since, last)

    def _worked(self, name: str) -> list[int]:
        """The minutes between complete polls in which they started or used a server."""
        accounts, polls = self.truth.related(name), self.days.seen.complete
        first, last = polls[0], polls[-1]
        return [m for one in accounts for m in self.truth.reports[one] if first < m <= last]

    def _day(self, minute: int) -> date:
        return self.history.time(minute).astimezone(self.queries.zone).date()

    async def audience(
        self, audience: Audience, expected: list[Row], group: str | None = None
    ) -> None:
        """The figures of the hub or a group."""
        days = self.days.days
        found = await self.queries.days(audience, days[0], days[-1])
        assert [row.day for row in found] == days
        for row, wanted in zip(found, expected, strict=True):
            mine, theirs = self._of_product(row), _of_reference(wanted)
            if group is None:
                self._allow_absence(mine, theirs, row.day)
            self._allow_pruned(mine, theirs)
            same(mine, theirs, audience, row.day)
        same(week_by_hour(found), periods.week_by_hour(expected), audience, "week by hour")
        for by in ("day", "week", "month"):
            await self.summaries(audience, expected, by, group)
        for first, last in {(days[0], days[-1]), (days[-1], days[-1]), (days[0], days[0])}:
            rows = await self.queries.people(audience, first, last)
            table = [_person(row) for row in rows]
            table.sort(key=lambda row: (row.name, row.deleted, row.active))
            same(table, periods.people(self.days, first, last, group), audience, (first, last))
        for since in {days[0], days[-1], days[-1] + timedelta(days=1)}:
            names = [row.name for row in await self.queries.inactive(audience, since)]
            same(sorted(names), periods.inactive(self.days, since, group), audience, since)

    async def summaries(
        self, audience: Audience, rows: list[Row], by: str, group: str | None
    ) -> None:
        """Days, weeks or months."""
        split = periods.split([row.day for row in rows], by)
        found = await self.queries.summaries(audience, [Period(p[0], p[-1]) for p in split])
        by_day = {row.day: row for row in rows}
        for one, period in zip(found, split, strict=True):
            active = periods.active_users(self.days, period, group)
            wanted = periods.summary(self.days, [by_day[day] for day in period], active)
            shown = {key: getattr(one, key) for key in vars(wanted)}
            same(shown, vars(wanted), audience, By(by))

    async def user(self, user: User) -> None:
        """A user's own figures, and those that the instructors of their groups see."""
        groups = sorted({membership.group for membership in user.groups})
        for seen_by in (None, *({group} for group in groups), set(groups)):
            audience = Individual(user.name, None if seen_by is None else frozenset(seen_by))
            expected = self.days.user(user, seen_by)
            for rows in (expected, expected[len(expected) // 2 :]):
                found = await self.queries.days(audience, rows[0].day, rows[-1].day)
                for row, wanted in zip(found, [] if seen_by == set() else rows, strict=True):
                    mine, theirs = self._of_product(row), _of_reference(wanted)
                    self._allow_pruned(mine, theirs)
                    for key in ("observed_hours", "newcomers", "members"):
                        mine[key] = theirs[key] = None  # not figures of a user
                    self._is_true(row, user, mine)
                    theirs = _known(theirs, mine, row.day < self.pruned_before)
                    same(mine, theirs, audience, rows[0].day, row.day)

    def _is_true(self, row: GroupDay, user: User, mine: dict[str, Any]) -> None:
        """Nobody worked more than they did, and nothing is claimed that was not observed."""
        passed = set(self.days.passed(row.day))
        assert mine["active_minutes"] <= len(self.truth.possible_work(user.name) & passed)
        assert mine["active_minutes"] + mine["idle"] + mine["unobserved"] <= len(passed)
        assert mine["idle"] <= mine["observed"]
        assert mine["observed"] or (mine["mean"] is None and mine["peak"] is None)

    async def gaps(self) -> None:
        """When nothing was observed, of the days with raw records."""
        days = [day for day in self.days.days if day >= self.pruned_before]
        minutes = set()
        for start, end in await self.queries.gaps(days[0], days[-1]):
            minutes |= set(range(self._minute(start), self._minute(end)))
        wanted = {m for day in days for m in self.days.passed(day) if m not in self.days.observed}
        same(minutes, wanted, "gaps", days[0])

    def _allow_absence(self, mine: dict[str, Any], theirs: dict[str, Any], day: date) -> None:
        """A day that is counted after an account was made again may count it throughout."""
        away = sum(self.days.was_away(user, day) for user in self.days.seen.users)
        if theirs["members"] - away <= mine["members"] <= theirs["members"]:
            theirs["members"] = mine["members"]

    def _allow_pruned(self, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
        """Without the polls of the time in which a server was idle, it saved nothing."""
        if self.history.keep_days and mine["saved"] is not None:
            theirs["saved"] = min(mine["saved"], theirs["saved"])

    def _unique_names(self) -> list[User]:
        """Of users with one name, the one that the name means now."""
        users = sorted(
            self.days.seen.users, key=lambda u: (u.deleted is None, u.deleted or 0, u.first_seen)
        )
        return list({user.name: user for user in users}.values())

    def _minute(self, moment: Any) -> int:
        return int((moment - self.history.start).total_seconds()) // 60

    def _of_product(self, row: GroupDay) -> dict[str, Any]:
        def minutes(seconds: int | None) -> float | None:
            return None if seconds is None else seconds / 60

        return {
            "observed": minutes(row.observed_seconds),
            "members": row.members,
            "newcomers": row.newcomers,
            "active": row.active,
            "active_7": row.active_7,
            "active_30": row.active_30,
            "active_minutes": minutes(row.active_seconds),
            "idle": minutes(row.idle_seconds),
            "unobserved": minutes(row.unobserved_seconds),
            "server": minutes(row.server_seconds),
            "after": minutes(row.after_seconds),
            "saved": minutes(row.saved_seconds),
            "sessions": row.sessions,
            "mean": None if row.mean_running is None else round(row.mean_running, 6),
            "peak": row.peak,
            "peak_at": self._minute(row.peak_at) if row.peak_at and row.peak else None,
            "lengths": {int(k): n for k, n in json.loads(row.lengths or "null").items()}
            if row.lengths
            else None,
            "hours": tuple(json.loads(row.hours)) if row.hours else (0,) * 24,
            "observed_hours": tuple(json.loads(row.observed_hours))
            if row.observed_hours
            else (100,) * 24,
        }


def _of_reference(row: Row) -> dict[str, Any]:
    values = {key: value for key, value in vars(row).items() if key != "day"}
    values["mean"] = None if row.mean is None else round(row.mean, 6)
    values["peak_at"] = row.peak_at if row.peak else None
    return values


def _known(theirs: dict[str, Any], mine: dict[str, Any], pruned: bool) -> dict[str, Any]:
    """Of a pruned day, a user's totals remain; the rest is None, which is not compared."""
    if not pruned:
        return theirs
    gone = ("server", "after", "saved", "mean", "peak", "peak_at", "lengths")
    assert all(mine[key] is None for key in gone), mine
    return {**theirs, **dict.fromkeys(gone), "hours": mine["hours"]}


def _person(row: PersonRow) -> periods.Person:
    assert row.idle_seconds is not None
    assert row.sessions is not None
    return periods.Person(
        name=row.name,
        deleted=row.deleted,
        active=row.active_seconds // 60,
        idle=row.idle_seconds // 60,
        sessions=row.sessions,
        days_active=row.days_active,
        last_active=row.last_active,
        last_present=row.last_present,
    )


def same(found: Any, expected: Any, *where: object) -> None:
    """The product's answer is that of the reference. Shows only what differs."""
    if found == expected:
        return
    if isinstance(found, dict):
        expected = {key: value for key, value in expected.items() if found[key] != value}
        found = {key: found[key] for key in expected}
    where_text = ", ".join(map(str, where))
    raise AssertionError(f"{where_text}: the product has {found}, the reference {expected}")
