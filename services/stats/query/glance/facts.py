"""The key numbers of a range of days. Pure."""

from datetime import datetime
from typing import NamedTuple

from services.stats.query.figures import Kind
from services.stats.query.periods import Summary


class Fact(NamedTuple):
    """A number that describes the whole range of days."""

    title: str
    value: float | None
    kind: Kind = Kind.NUMBER
    note: str = ""
    at: datetime | None = None
    unknown: str = "not observed"
    """What is displayed if there is no value."""


def facts(total: Summary, *, personal: bool) -> list[Fact]:
    """The key numbers of the range: of one user if ``personal``."""
    observed = total.active_users is not None
    # Imported days have activity, and nothing is known of servers.
    servers = "not recorded" if observed and total.sessions is None else "not observed"
    no_session = "no session ended" if total.sessions is not None else servers
    of_one = [
        Fact("Active", total.active_hours, Kind.HOURS),
        Fact("Idle", total.idle_hours, Kind.HOURS, unknown=servers),
        *(
            [Fact("Not observed", total.unobserved_hours, Kind.HOURS)]
            if total.unobserved_hours
            else []
        ),
        Fact("Sessions", total.sessions, note="seen by polls", unknown=servers),
        Fact(
            "Median session",
            total.median_minutes if observed else None,
            Kind.MINUTES,
            unknown=no_session,
        ),
    ]
    daily_unknown = "no complete day" if observed else "not observed"
    of_many = [
        Fact("Active users", total.active_users),
        Fact(
            "Active per day",
            total.daily_active,
            note="on average over complete days",
            unknown=daily_unknown,
        ),
        Fact("New users", total.newcomers),
        *(
            [Fact("Starts of servers", total.starts, note="counted by the Hub")]
            if total.starts is not None
            else []
        ),
        Fact("Most servers at once", total.peak_servers, at=total.peak_at, unknown=servers),
    ]
    share = Fact("Observed", total.observed_percent, Kind.PERCENT, "of the time")
    saved = Fact(
        "Saved by the culler" if total.saved_audited else "Stopped while idle",
        total.saved_hours,
        Kind.HOURS,
        "estimated",
        unknown=servers,
    )
    return [*of_one, share] if personal else [*of_many, *of_one, share, saved]
