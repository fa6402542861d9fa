"""The page for a meeting in sentences. Each function gives the sentences of one section. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime

from services.stats.days import Period
from services.stats.intervals import Interval
from services.stats.query.cohort.standing import Standing, Standings
from services.stats.query.figures import WEEKDAYS
from services.stats.query.glance.units import HOUR, counted, duration, number
from services.stats.query.meeting.model import Meeting
from services.stats.query.periods import COVERAGE, Summary, week_by_hour

SHOWN_GAPS = 3
"""The longest gaps are listed, this many."""

ENOUGH = 10
"""With fewer people, no tenth of them is mentioned."""


def days(period: Period) -> str:
    """The period as in a title."""
    return str(period.first) if period.days == 1 else f"{period.first} to {period.last}"


def incomplete(meeting: Meeting) -> str:
    """Why the numbers are lower bounds; empty if they are not."""
    total = meeting.total
    if total.complete:
        return ""
    if total.active_users is None:
        return "Nothing was observed on these days, so nothing is known about them."
    reasons = [] if meeting.over else ["the period is not over yet"]
    if not _covered(total):
        reasons.append(f"only {number(total.observed_percent)}% of the time was observed")
    return f"Incomplete: {' and '.join(reasons)}. All counts and hours are lower bounds."


def observed(meeting: Meeting) -> list[str]:
    """How much was observed, when nothing was, and what that means for the comparison."""
    said = [f"{number(meeting.total.observed_percent)}% of the time was observed."]
    if meeting.period.first == meeting.span.first_day:
        said.append("These are the first days with records.")
    said += _gaps(meeting)
    if meeting.period.first < meeting.span.timelines_from:
        said.append(f"Of the days before {meeting.span.timelines_from}, only totals are kept.")
    if meeting.before is None:
        said.append(f"There are no records of the {meeting.length} before.")
    elif not meeting.before.complete:
        share = number(meeting.before.observed_percent)
        said.append(
            f"Of the {meeting.length} before, {share}% was observed, so there is no comparison."
        )
    return said


def _gaps(meeting: Meeting) -> list[str]:
    gaps = sorted(meeting.gaps, key=lambda gap: gap.seconds, reverse=True)
    if not gaps:
        return []
    total = duration(sum(gap.seconds for gap in gaps) / 60)
    shown = ", ".join(_interval(gap, meeting) for gap in gaps[:SHOWN_GAPS])
    rest = len(gaps) - SHOWN_GAPS
    more = f", and in {counted(rest, 'shorter gap')}" if rest > 0 else ""
    return [f"Nothing was observed for {total}: {shown}{more}."]


def _interval(gap: Interval, meeting: Meeting) -> str:
    start, end = (moment.astimezone(meeting.zone) for moment in gap)
    to = f"{end:%H:%M}" if start.date() == end.date() else _time(end)
    return f"{_time(start)} to {to}"


def people(meeting: Meeting) -> list[str]:
    """Who worked: unique, new, per week, and who stopped coming."""
    total = meeting.total
    if total.active_users is None or meeting.people is None:
        return []
    than = _than(total, meeting.before, f"in the {meeting.length} before")
    said = [f"{_people(total.active_users)} worked in a server{than}."]
    if meeting.mean_weekly is not None:
        said.append(f"In an average week, {number(round(meeting.mean_weekly, 1))} did.")
    if total.newcomers is not None:
        new = counted(total.newcomers, "account") if total.newcomers else "No accounts"
        said.append(f"{new} {_were(total.newcomers)} created.")
    if meeting.standings is not None and total.active_users:
        said += _dropped(meeting.standings)
    return said


def _than(total: Summary, before: Summary | None, when: str) -> str:
    if before is None or not (total.complete and before.complete):
        return ""
    if total.active_users is None or before.active_users is None:
        return ""
    change = total.active_users - before.active_users
    if not change:
        return f", as many as {when}"
    return f", {number(abs(change))} {'more' if change > 0 else 'fewer'} than {when}"


def _dropped(found: Standings) -> list[str]:
    """Who worked earlier in the period and not at its end, by the rule of "dropped off"."""
    worked = [row.standing for row in found.rows if row.days_active]
    dropped, unknown = worked.count(Standing.DROPPED_OFF), worked.count(Standing.UNKNOWN)
    present = worked.count(Standing.PRESENT)
    if not worked:
        return [f"Everybody who worked before {found.since} has also worked since."]
    said = []
    if dropped or not (unknown or present):
        said.append(
            f"{_people(dropped)} worked earlier in this period, but not since {found.since}."
        )
    if present:
        were = "was" if present == 1 else "were"
        said.append(
            f"{_people(present)} worked earlier in this period and {were} at the Hub since"
            f" {found.since}, but no work was observed."
        )
    if unknown:
        said.append(
            f"Of {_people(unknown)} who worked earlier in this period, it is not known whether they"
            f" have worked since {found.since}."
        )
    return said


def distribution(meeting: Meeting) -> list[str]:
    """How the work was spread over the people who worked."""
    total = meeting.total
    if meeting.people is None or total.active_users is None:
        return []
    active = [person for person in meeting.people if person.days_active]
    said = []
    if active:
        weeks = max(1.0, meeting.period.days / 7)
        each = " a week" if weeks > 1 else ""
        minutes = sorted(person.active_seconds / 60 / weeks for person in active)
        day_counts = sorted(person.days_active for person in active)
        half = counted(round(_at(day_counts, 0.5)), "day")
        said.append(
            f"Half of the people who worked did so for at most {duration(_at(minutes, 0.5))}{each}"
            f" and on at most {half}."
        )
        if len(active) >= ENOUGH:
            said.append(f"One in ten worked for {duration(_at(minutes, 0.9))}{each} or more.")
    if idle := len(meeting.people) - len(active):
        seen = "" if total.complete else ", as far as was observed"
        said.append(f"{_people(idle)} of {number(len(meeting.people))} did not work{seen}.")
    return said


def _at(values: Sequence[float], share: float) -> float:
    """The smallest of the sorted values that this share of them do not exceed."""
    return values[max(0, math.ceil(share * len(values)) - 1)]


def busiest(meeting: Meeting) -> list[str]:
    """The busiest hour of the week, and the busiest day."""
    if meeting.people is None:
        return []
    seen = "" if _covered(meeting.total) else " that was observed"
    said = []
    hours = [
        (users, weekday, hour)
        for weekday, by_hour in enumerate(week_by_hour(meeting.days))
        for hour, users in enumerate(by_hour)
        if users
    ]
    if hours:
        users, weekday, hour = max(hours, key=lambda one: (one[0], -one[1], -one[2]))
        said.append(
            f"The busiest hour of the week{seen} was {WEEKDAYS[weekday]}, {hour}:00 to"
            f" {hour + 1}:00, with {_people(round(users, 1))} on average."
        )
    active = [day for day in meeting.days if day.active]
    if active and meeting.period.days > 1:
        most = max(active, key=lambda day: day.active)
        said.append(
            f"The busiest day{seen} was {most.day:%A}, {most.day}, with {_people(most.active)}."
        )
    return said


def servers(meeting: Meeting) -> list[str]:
    """Servers at once, their hours, and what users did in that time."""
    total = meeting.total
    if total.server_hours is None:
        return ["Nothing is known about servers on these days."]
    said = [f"Servers ran for {_hours(total.server_hours)} in total."]
    if total.peak_servers and total.peak_at and meeting.people is not None:
        at = _time(total.peak_at.astimezone(meeting.zone))
        seen = "" if _covered(total) else " that was observed"
        said.append(f"The most at once{seen}: {number(total.peak_servers)}, on {at}.")
    if total.active_hours is not None and total.idle_hours is not None:
        said.append(
            f"Users worked for {_hours(total.active_hours)}, and had an idle server for"
            f" {_hours(total.idle_hours)}."
        )
    return said


def sessions(meeting: Meeting) -> list[str]:
    """How many, and how long."""
    total = meeting.total
    if total.sessions is None:
        return []
    said = [f"{counted(total.sessions, 'server')} {_were(total.sessions)} started."]
    if total.median_minutes is not None and total.p90_minutes is not None:
        said.append(
            f"Half of the sessions that ended lasted at most {duration(total.median_minutes)}, nine"
            f" in ten at most {duration(total.p90_minutes)}."
        )
    return said


def savings(meeting: Meeting) -> list[str]:
    """The estimate, as such."""
    saved = meeting.total.saved_hours
    if saved is None:
        return []
    which = "the culler stopped" if meeting.total.saved_audited else "stopped while idle"
    return [
        f"Servers that {which} would have run for another {_hours(saved)}: an estimate,"
        " which assumes that they would have run until their next use, at most 24 h each."
    ]


def not_counted(meeting: Meeting) -> list[str]:
    """What the numbers leave out."""
    said = _uncounted(meeting)
    if meeting.total.unobserved_hours:
        said.append(
            f"{_hours(meeting.total.unobserved_hours)} in which users had a running server and"
            " nothing was observed: neither work nor idle time."
        )
    said += [
        "Visits to the Hub's own pages: they are not work.",
        "Sessions shorter than the time between two polls, if no poll found them.",
        "Days that are not over or were observed for less than"
        f" {100 * COVERAGE:.0f}%: not in averages.",
        "Servers that may have been used or stopped while nothing was observed: not in the"
        " estimate.",
    ]
    return said


def _uncounted(meeting: Meeting) -> list[str]:
    """Staff and others, without their names."""
    found = meeting.uncounted
    if not found.number and not found.since:
        return []
    included = f" {found.included}" if meeting.whole_hub and found.number else ""
    since = f" This applies from {found.since}." if found.since else ""
    return [
        f"{counted(found.number, 'user')} whom the hub's administrators exclude, such as staff and"
        f" test accounts.{included}{since}"
    ]


def _covered(total: Summary) -> bool:
    return total.observed_percent >= 100 * COVERAGE


def _people(count: float) -> str:
    return f"{number(count)} {'person' if count == 1 else 'people'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _hours(hours: float) -> str:
    return duration(hours * HOUR)


def _time(local: datetime) -> str:
    return f"{local:%Y-%m-%d %H:%M}"
