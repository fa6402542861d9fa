"""The figures of a first screen, in words. Pure."""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.days import day_of
from services.stats.query.glance.headline import Headline, Peak, People
from services.stats.query.glance.own_week import OwnWeek
from services.stats.query.glance.units import counted, duration, number

NOT_OBSERVED = "not observed"


class Card(NamedTuple):
    """A figure: what it counts, its value, and what there is to say about it."""

    key: str
    title: str
    value: str
    notes: tuple[str, ...]


def cards(figures: Headline, now: datetime, zone: ZoneInfo, *, group: bool) -> list[Card]:
    """The three figures. ``zone`` is the one for times; ``group``: they are about a group."""
    return [_people(figures), _servers(figures, now, zone), _not_started(figures, group=group)]


def _people(figures: Headline) -> Card:
    this = figures.this_week
    first, last = f"{this.period.first:%A}", f"{this.period.last:%A}"
    weekdays = first if first == last else f"{first} to {last}"
    notes = [f"active so far, {weekdays}"]
    if figures.last_week is None:
        notes.append("no records of last week")
    elif figures.change is None:
        notes.append(f"on these days last week: {_people_number(figures.last_week)}")
    else:
        before = f"on these days last week ({_people_number(figures.last_week)})"
        notes.append(f"{_compared(figures.change)} {before}")
    return Card("people", "People this week", _people_number(this), tuple(notes))


def _people_number(people: People) -> str:
    if people.number is None:
        return NOT_OBSERVED
    return number(people.number) if people.whole else f"at least {number(people.number)}"


def _compared(change: int) -> str:
    if change == 0:
        return "as many as"
    return f"{number(abs(change))} {'more' if change > 0 else 'fewer'} than"


def _servers(figures: Headline, now: datetime, zone: ZoneInfo) -> Card:
    latest = figures.latest
    running = latest.servers if figures.now else None
    notes = []
    if not figures.now and latest.servers is not None:
        notes.append(f"last observed: {number(latest.servers)} {_at(latest.time, now, zone)}")
    notes.append(f"most today: {_peak(figures.peak_today, now, zone)}")
    notes.append(f"most this week: {_peak(figures.peak_week, now, zone)}")
    value = NOT_OBSERVED if running is None else number(running)
    return Card("servers-now", "Servers now", value, tuple(notes))


def _peak(peak: Peak, now: datetime, zone: ZoneInfo) -> str:
    if peak.number is None:
        return NOT_OBSERVED
    when = f" {_at(peak.at, now, zone)}" if peak.number and peak.at else ""
    return number(peak.number) + when


def _at(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    day, local = day_of(moment, zone), moment.astimezone(zone)
    ago = (day_of(now, zone) - day).days
    if ago == 0:
        return f"at {local:%H:%M}"
    return f"on {local:%A} at {local:%H:%M}" if 0 < ago < 7 else f"at {local:%Y-%m-%d %H:%M}"


def _not_started(figures: Headline, *, group: bool) -> Card:
    found = figures.not_started
    of = counted(found.of, "member" if group else "user")
    notes = [f"of {of}: never active since records began on {found.since}"]
    if found.present:
        were = "was" if found.present == 1 else "were"
        notes.append(f"{number(found.present)} of them {were} at the Hub, no work observed")
    return Card("not-started", "Not started yet", number(found.number), tuple(notes))


def week_words(week: OwnWeek, *, this: bool) -> tuple[str, ...]:
    """A user's week in one sentence, and in a second one what was not observed of it."""
    which = "this week" if this else "last week"
    if week.minutes is None:
        return (f"Nothing was observed {which}.",)
    if not week.minutes:
        sentence = _no_work(which, this=this, lower_bound=week.lower_bound)
    else:
        at_least = "at least " if week.lower_bound else ""
        days = counted(week.active_days, "day")
        start = "So far this week" if this else "Last week"
        sentence = f"{start} you worked {at_least}{duration(week.minutes)} on {days}."
    return (sentence, f"{_unobserved(week)}.") if week.lower_bound else (sentence,)


def _no_work(which: str, *, this: bool, lower_bound: bool) -> str:
    if lower_bound:
        return f"No work of yours was recorded {which}{' so far' if this else ''}."
    return "You have not worked this week so far." if this else "You did not work last week."


def _unobserved(week: OwnWeek) -> str:
    parts = []
    if week.unobserved_days:
        parts.append(counted(week.unobserved_days, "day"))
    if week.partly_days:
        parts.append(f"parts of {counted(week.partly_days, 'day')}")
    if week.unobserved_minutes >= 1:
        parts.append(f"{duration(week.unobserved_minutes)} in which your server ran")
    listed = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"Not observed: {listed}"
