"""Everything that the template of the page for a meeting shows. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.stats.days import By, day_of
from services.stats.query.figures import Kind
from services.stats.query.meeting import words
from services.stats.query.meeting.drawing import BarChart, WeekMap, bar_chart, week_map
from services.stats.query.meeting.model import Meeting, Row, rows
from services.stats.query.periods import week_by_hour

DEFAULT_HUB = "JupyterHub"

_UNIT = re.compile(r"(\d) (?=(?:h|min)\b)")


class Section(NamedTuple):
    """A heading and sentences, as one paragraph or as a list."""

    key: str
    title: str
    sentences: Sequence[str]
    listed: bool = False


@dataclass(frozen=True)
class MeetingPage:
    """The page in texts and drawings."""

    title: str
    hub: str
    days: str
    length: str
    zone: str
    created: str
    incomplete: str
    """Why it is; empty if it is not."""
    rows: Sequence[Row]
    charts: Sequence[BarChart]
    week: WeekMap | None
    sections: Sequence[Section]


def page(meeting: Meeting, hub: str) -> MeetingPage:
    """The page. ``hub``: the hub's name."""
    known = meeting.total.active_users is not None
    sections = [
        Section("observed", "What was observed", words.observed(meeting)),
        Section("people", "People", words.people(meeting)),
        Section("distribution", "How much they worked", words.distribution(meeting)),
        Section("busiest", "Busiest times", words.busiest(meeting)),
        Section("servers", "Servers and hours", words.servers(meeting)),
        Section("sessions", "Sessions", words.sessions(meeting)),
        Section("savings", "Savings (estimate)", words.savings(meeting)),
        Section("left-out", "What was not counted", words.not_counted(meeting), listed=True),
    ]
    shown = [one for one in sections if one.sentences] if known else sections[:1]
    return MeetingPage(
        title=meeting.title,
        hub=hub or DEFAULT_HUB,
        days=words.days(meeting.period),
        length=meeting.length,
        zone=meeting.zone.key,
        created=day_of(meeting.now, meeting.zone).isoformat(),
        incomplete=words.incomplete(meeting),
        rows=rows(meeting) if known else (),
        charts=_charts(meeting) if known else (),
        week=_week(meeting) if known else None,
        sections=[_kept_together(one) for one in shown],
    )


def _kept_together(section: Section) -> Section:
    """The section with no line break between a number and its unit."""
    sentences = [_UNIT.sub("\\1\N{NO-BREAK SPACE}", one) for one in section.sentences]
    return section._replace(sentences=sentences)


def _charts(meeting: Meeting) -> list[BarChart]:
    by = "in all" if meeting.by is By.ALL else f"by {meeting.by.value}"
    people = ("People", "active_users", Kind.NUMBER)
    hours = ("Hours of work", "active_hours", Kind.HOURS)
    servers = ("Most servers at once", "peak_servers", Kind.NUMBER)
    shown = [people, hours, servers] if meeting.people is not None else [hours]
    return [
        bar_chart(f"{title} {by}", meeting.bars, field, kind, meeting.by)
        for title, field, kind in shown
    ]


def _week(meeting: Meeting) -> WeekMap | None:
    """For several people; and not for a single day, which is no week."""
    if meeting.people is None or (meeting.by is By.DAY and meeting.period.days < 7):
        return None
    found = week_map(week_by_hour(meeting.days))
    return found if found.most else None
