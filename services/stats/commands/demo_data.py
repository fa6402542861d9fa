"""``demo-data``: fill an empty database with an invented semester."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from common.errors import ConfigError
from services.stats.commands.exclusive import exclusive_writer
from services.stats.commands.semester import Semester, last_days, semester_changes
from services.stats.query.glance.units import counted
from services.stats.query.question import parse_name
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store

MAX_DAYS = 1000


@dataclass(frozen=True)
class DemoOptions:
    """What to invent."""

    days: int = 120
    users: tuple[str, ...] = ()
    staff: tuple[str, ...] = ()
    group: str = Semester.group

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> "DemoOptions":
        """From the command line. Raises ConfigError with all that is wrong."""
        problems: list[str] = []
        days = options.get("days", "120")
        if not (days.isascii() and days.isdecimal()) or not 1 <= int(days[:9]) <= MAX_DAYS:
            problems.append(f"--days: {days!r} is invalid; write a number from 1 to {MAX_DAYS}.")
        users = _names("users", options, problems)
        staff = _names("staff", options, problems)
        for name in sorted({*users} & {*staff}):
            problems.append(f"--staff: {name!r} is also one of --users; name each user once.")
        group = parse_name("--group", options.get("group", cls.group).strip(), problems)
        if not group:
            problems.append("--group: write the name of the group of --users.")
        if problems:
            raise ConfigError(problems)
        return cls(int(days), users, staff, group)


def _names(option: str, options: Mapping[str, str], problems: list[str]) -> tuple[str, ...]:
    """The names of users, separated by commas. Appends mistakes to ``problems``."""
    listed = [name.strip() for name in options.get(option, "").split(",") if name.strip()]
    for name in listed:
        parse_name(f"--{option}", name, problems)
        if name.startswith("made-up-"):
            problems.append(f"--{option}: {name!r}: names that start with made-up- are taken.")
    for name in sorted({name for name in listed if listed.count(name) > 1}):
        problems.append(f"--{option}: {name!r} is listed twice; name each user once.")
    return tuple(listed)


async def demo_data(store: Store, options: Mapping[str, str]) -> str:
    """Write the semester; returns what to print. A database with records stays as it is.

    Raises ConfigError if an option is invalid, StoreError while the service is recording.
    """
    wanted = DemoOptions.parse(options)
    if await Queries(store).span() is not None:
        return "This database already has records. No demo data was written.\n"
    now = datetime.now(UTC).replace(microsecond=0)
    semester = Semester(
        last_days(now, wanted.days),
        days=wanted.days + 1,
        users=wanted.users,
        staff=wanted.staff,
        group=wanted.group,
        until=now,
        with_spawns=True,
    )
    async with exclusive_writer(store) as leader:
        await store.mark_made_up()
        for changes in semester_changes(semester):
            await store.write(changes, leader=leader)
        await roll_up_until(store, now)
    named = [*wanted.users, *wanted.staff]
    others = f", apart from {', '.join(named)}" if named else ""
    return (
        f"Wrote {counted(wanted.days, 'day')} of demo data, and today so far."
        f" Its users are named made-up-0001 and so on{others}.\n"
    )
