"""Turns what the database returned into the API's responses. Pure.

``of`` is the range of days that the response covers, None without records. ``timezone`` is the
zone in which days begin, ``zone`` the one for times (None: UTC).
"""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.stats.days import Period
from services.stats.days import days as each_day
from services.stats.intervals import Interval
from services.stats.query.access import Viewer
from services.stats.query.figures import LENGTHS
from services.stats.query.people import PAGE_SIZE, GroupRow, PersonRow, TablePage
from services.stats.query.periods import Summary, percentile, session_lengths, week_by_hour
from services.stats.query.question import Span
from services.stats.query.timeline import Timeline
from services.stats.query.uncounted import Uncounted
from services.stats.records import GroupDay
from services.stats.web.api import types

Days = tuple[date, date] | None


class Facts(NamedTuple):
    """Facts about the database."""

    span: Span | None
    made_up: bool
    terms: Sequence[Period]
    uncounted: Uncounted
    starts_counted_until: datetime | None


def about(viewer: Viewer, facts: Facts, timezone: str, zone: ZoneInfo | None) -> types.About:
    span, counted = facts.span, facts.starts_counted_until
    return types.About(
        user=viewer.name,
        whole_hub=viewer.everything,
        groups=() if viewer.everything else tuple(sorted(viewer.student_groups)),
        timezone=timezone,
        first_day=span.first_day if span else None,
        last_day=span.last_day if span else None,
        last_poll=_at(span.last_poll, zone) if span else None,
        timelines_from=span.timelines_from if span else None,
        starts_counted_until=_at(counted, zone) if counted else None,
        made_up=facts.made_up,
        exclude=facts.uncounted.shown_to(everything=viewer.everything).patterns,
        terms=tuple(
            types.TermView(name=term.name, first=term.first, last=term.last) for term in facts.terms
        ),
    )


def period(row: Summary, zone: ZoneInfo | None) -> types.PeriodView:
    peak_at = _at(row.peak_at, zone) if row.peak_at else None
    return types.PeriodView(**row._replace(peak_at=peak_at)._asdict())


def summary(
    total: Sequence[Summary],
    rows: Iterable[Summary],
    uncounted: Uncounted,
    of: Days,
    timezone: str,
    zone: ZoneInfo | None,
) -> types.SummaryAnswer:
    return types.SummaryAnswer(
        **_range(of, timezone),
        total=period(total[0], zone) if total else None,
        periods=[period(row, zone) for row in rows],
        not_counted=uncounted.number,
        not_counted_since=uncounted.since,
    )


def days(
    rows: Iterable[GroupDay], of: Days, timezone: str, zone: ZoneInfo | None
) -> types.DaysAnswer:
    found = {row.day: row for row in rows}
    return types.DaysAnswer(
        **_range(of, timezone),
        days=[_day(day, found.get(day), zone) for day in (each_day(*of) if of else ())],
    )


def _day(day: date, row: GroupDay | None, zone: ZoneInfo | None) -> types.DayView:
    if row is None or row.observed_seconds <= 0:
        unknown: dict[str, Any] = dict.fromkeys(types.DayView.__struct_fields__)
        return types.DayView(**unknown | {"day": day, "observed_seconds": 0})
    return types.DayView(
        day=day,
        observed_seconds=row.observed_seconds,
        members=row.members,
        newcomers=row.newcomers,
        active=row.active,
        active_7=row.active_7,
        active_30=row.active_30,
        sessions=row.sessions,
        starts=row.starts,
        active_seconds=row.active_seconds,
        idle_seconds=row.idle_seconds,
        unobserved_seconds=row.unobserved_seconds,
        server_seconds=row.server_seconds,
        after_seconds=row.after_seconds,
        saved_seconds=row.saved_seconds,
        mean_servers=row.mean_running,
        peak_servers=row.peak,
        peak_at=_at(row.peak_at, zone) if row.peak_at else None,
    )


def week(rows: Sequence[GroupDay], of: Days, timezone: str) -> types.WeekAnswer:
    return types.WeekAnswer(**_range(of, timezone), users=week_by_hour(rows))


def lengths(rows: Sequence[GroupDay], of: Days, timezone: str) -> types.LengthsAnswer:
    observed = [row for row in rows if row.observed_seconds > 0]
    counted = session_lengths(observed)
    bins = [
        types.LengthClass(
            from_minutes=start,
            below_minutes=end,
            sessions=sum(
                number
                for minutes, number in counted.items()
                if minutes >= start and (end is None or minutes < end)
            ),
        )
        for start, end in zip((0, *LENGTHS), (*LENGTHS, None), strict=True)
    ]
    return types.LengthsAnswer(
        **_range(of, timezone),
        sessions=counted.total() if observed else None,
        median_minutes=percentile(counted, 0.5),
        p90_minutes=percentile(counted, 0.9),
        p99_minutes=percentile(counted, 0.99),
        classes=bins if observed else [],
    )


def people(table: TablePage[PersonRow], of: Days, timezone: str) -> types.PeopleAnswer:
    return types.PeopleAnswer(
        **_range(of, timezone),
        people=[types.PersonView(**row._asdict()) for row in table.rows],
        total=table.total,
        page=table.page,
        pages=table.pages,
    )


def inactive(
    table: TablePage[PersonRow], since: date | None, timezone: str
) -> types.InactiveAnswer:
    return types.InactiveAnswer(
        since=since,
        timezone=timezone,
        people=[
            types.InactiveView(
                name=row.name,
                last_active=row.last_active,
                last_present=row.last_present,
                days_active=row.days_active,
                excluded=row.excluded,
            )
            for row in table.rows
        ],
        total=table.total,
        page=table.page,
        pages=table.pages,
    )


def timeline(
    found: Timeline, of: Days, timezone: str, zone: ZoneInfo | None
) -> types.TimelineAnswer:
    person = found.person
    return types.TimelineAnswer(
        **_range(of, timezone),
        user=person.name if person else "",
        deleted=person is not None and person.deleted is not None,
        sessions=[
            types.SessionView(
                server=session.server,
                profile=found.profiles.get(session.profile_id or 0),
                started=_at(session.started, zone),
                last_activity=_at(session.last_activity, zone),
                ended=_at(session.ended, zone) if session.ended else None,
            )
            for session in found.sessions
        ],
        work=_intervals(found.work, zone),
        gaps=_intervals(found.gaps, zone),
    )


def groups(rows: Sequence[GroupRow], page: int) -> types.GroupsAnswer:
    pages = max(1, math.ceil(len(rows) / PAGE_SIZE))
    page = min(page, pages)
    return types.GroupsAnswer(
        groups=[
            types.GroupView(name=row.name, members=row.members)
            for row in rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        ],
        total=len(rows),
        page=page,
        pages=pages,
    )


def gaps(
    found: Iterable[Interval], of: Days, timezone: str, zone: ZoneInfo | None
) -> types.GapsAnswer:
    return types.GapsAnswer(**_range(of, timezone), gaps=_intervals(found, zone))


def concurrency(
    moments: Iterable[tuple[datetime, int | None]], of: Days, timezone: str, zone: ZoneInfo | None
) -> types.ConcurrencyAnswer:
    return types.ConcurrencyAnswer(
        **_range(of, timezone),
        moments=[
            types.MomentView(time=_at(time, zone), servers=servers) for time, servers in moments
        ],
    )


def _range(of: Days, timezone: str) -> dict[str, Any]:
    first, last = of or (None, None)
    return {"first": first, "last": last, "timezone": timezone}


def _intervals(found: Iterable[Interval], zone: ZoneInfo | None) -> list[types.IntervalView]:
    return [types.IntervalView(start=_at(one.start, zone), end=_at(one.end, zone)) for one in found]


def _at(moment: datetime, zone: ZoneInfo | None) -> datetime:
    return moment.astimezone(zone or UTC)
