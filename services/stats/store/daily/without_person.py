"""A day's totals without a person who is erased, for days whose raw records were pruned. Pure.

What the person's own daily rows say is subtracted exactly: active, idle and unobserved time,
sessions, and the numbers of active users and of members. Whatever came from raw records cannot be
subtracted: peaks, lengths, the hours of the day, and the time of all servers. Published beside the
rows of the other users, these figures would still reveal the person's, so they become unknown, and
not only on the days on which the person had a server, because that would reveal these days.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from services.stats.days import bounds, day_of
from services.stats.intervals import Interval
from services.stats.records import HUB, MADE_UP, NO_HOURS, GroupDay, Person, UserDay
from services.stats.store.tables import FOREVER


@dataclass(frozen=True)
class Erased:
    """A person's records that are in the totals of pruned days."""

    person: Person
    days: Mapping[date, UserDay]
    """Their rows of these days."""
    memberships: Mapping[int, Sequence[Interval]] = field(default_factory=dict)
    """By group id; those that last end at FOREVER."""
    uncounted: Mapping[date, UserDay] = field(default_factory=dict)
    """Their rows of days on which they were not counted, apart from the hub's running servers."""
    is_counted: Callable[[date], bool] = lambda _day: True

    def belongs(self, group_id: int) -> Sequence[Interval]:
        """When they counted: as a member of the group or, for the hub, with an account."""
        if group_id != HUB:
            return self.memberships.get(group_id, ())
        return [Interval(self.person.first_seen, self.person.deleted or FOREVER)]

    def active_days(self) -> list[date]:
        """The days on which they worked."""
        return [day for day, row in self.days.items() if row.was_active]


def without_person(row: GroupDay, erased: Erased, zone: ZoneInfo) -> GroupDay:
    """The totals of a group or of the hub on a pruned day, without this person."""
    window = bounds(row.day, zone)
    spans = erased.belongs(row.group_id)
    member = erased.is_counted(row.day) and any(
        span.start < window.end and span.end > window.start for span in spans
    )
    active_days = erased.active_days()
    own = erased.days.get(row.day) if member or row.group_id == HUB else None
    worked = own is not None and own.was_active
    row = row._replace(
        active_7=_less(row.active_7, worked or _was_active(row, spans, active_days, 6, zone)),
        active_30=_less(row.active_30, worked or _was_active(row, spans, active_days, 29, zone)),
    )
    if not member and own is None:
        return without_details(row) if row.group_id == HUB and _ran(erased, row) else row
    row = row._replace(
        members=_less(row.members, member),
        newcomers=_less(row.newcomers, _is_new(erased.person, window)),
    )
    if own is not None:
        row = row._replace(
            active=_less(row.active, own.was_active),
            active_seconds=_less(row.active_seconds, own.active_seconds),
            idle_seconds=_reduced(row.idle_seconds, own.idle_seconds),
            unobserved_seconds=_reduced(row.unobserved_seconds, own.unobserved_seconds),
            sessions=_reduced(row.sessions, own.sessions),
        )
    return without_details(row) if _ran(erased, row) else row


def _ran(erased: Erased, row: GroupDay) -> bool:
    """Whether the day is among those on which their servers are in the totals.

    A server that was stopped counts as saved time on the next day, too.
    """
    own = {*erased.days, *(erased.uncounted if row.group_id == HUB else ())}
    return bool(own) and min(own) <= row.day <= max(own) + timedelta(days=1)


def is_empty(row: GroupDay | None) -> bool:
    """Whether no member of the group had a server or was active, on this day or in 29 before it."""
    if row is None:
        return True
    counts = (row.active_30, row.active_seconds, row.idle_seconds, row.unobserved_seconds)
    return not any(counts) and not row.sessions


def without_details(row: GroupDay) -> GroupDay:
    """The row without what came from raw records."""
    return row._replace(
        server_seconds=None,
        after_seconds=None,
        saved_seconds=None,
        mean_running=None,
        peak=None,
        peak_at=None,
        lengths="",
        hours="",
        observed_hours=NO_HOURS,
        reduced=True,
    )


def _was_active(
    row: GroupDay, spans: Sequence[Interval], active: Collection[date], before: int, zone: ZoneInfo
) -> bool:
    """Whether they worked in the days before, on a day on which they counted."""
    first, last = row.day - timedelta(days=before), row.day - timedelta(days=1)
    for span in spans:
        since = max(first, day_of(span.start, zone)) if row.group_id != HUB else first
        until = last if span.end == FOREVER else min(last, day_of(span.end, zone))
        if row.group_id == HUB:
            until = last  # a user who was active counts, whether or not the account exists
        if any(since <= day <= until for day in active):
            return True
    return False


def _is_new(person: Person, day: Interval) -> bool:
    """Whether they counted as a new user on this day (see ``records.py`` beside this module)."""
    if person.created is None or person.created == MADE_UP:
        return day.start <= person.first_seen < day.end
    return day.start <= person.created < day.end and person.first_seen >= day.start


def _less(total: int, part: int) -> int:
    return max(0, total - part)


def _reduced(total: int | None, part: int) -> int | None:
    return None if total is None else _less(total, part)
