"""``report``: use of the hub by day, week or month, or a list of inactive users."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from common.config.suggestions import did_you_mean
from common.errors import ConfigError
from services.stats.commands import report_formats as formats
from services.stats.commands.report_formats import Format
from services.stats.days import By, day_of, periods
from services.stats.pseudonyms import Pseudonyms
from services.stats.query.access import OPERATOR
from services.stats.query.periods import by_day
from services.stats.query.question import Range, one_of, parse_day
from services.stats.settings.terms import Terms
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store


@dataclass(frozen=True)
class ReportOptions:
    """What to report, from the command line."""

    range: Range
    by: By
    form: Format
    group: str = ""
    user: str = ""
    inactive_since: date | None = None
    terms: Terms = ()
    """Instead of those of the service."""

    @classmethod
    def parse(
        cls, options: Mapping[str, str], problems: list[str], terms: Terms = ()
    ) -> "ReportOptions":
        """From ``since``, ``until``, ``by``, ``group``, ``user``, ``inactive-since``, ``format``.

        Each is optional. Appends mistakes to ``problems``.
        """
        inactive = options.get("inactive-since", "")
        return cls(
            range=Range.parse(options, problems),
            by=By(one_of("--by", options.get("by", "day"), list(By), problems)),
            form=Format(one_of("--format", options.get("format", "table"), list(Format), problems)),
            group=options.get("group", ""),
            user=options.get("user", ""),
            inactive_since=(
                parse_day("--inactive-since", inactive, problems) if inactive else None
            ),
            terms=terms,
        )


async def report(store: Store, options: ReportOptions, pseudonyms: Pseudonyms | None) -> str:
    """The report as text.

    :raises ConfigError: the database has no such group or user, or no terms
    """
    queries = Queries(store, name_of=pseudonyms.name if pseudonyms else str)
    problems = await _unknown_names(queries, options)
    terms = (options.terms or await queries.terms()) if options.by is By.TERM else ()
    if options.by is By.TERM and not terms:
        problems.append("--by: no terms are known; add --terms=FILE.")
    if problems:
        raise ConfigError(problems)
    audience = OPERATOR.audience(group=options.group, user=options.user)
    if options.inactive_since is not None:
        return formats.people(
            await queries.inactive(audience, options.inactive_since), options.form
        )
    span = await queries.span()
    first, last = options.range.days(
        span.last_day if span else day_of(datetime.now(UTC), store.zone)
    )
    if span and options.range.since is None:
        first = max(first, span.first_day)
    if options.by is By.DAY and span and first <= last:
        days = await queries.days(audience, first, last)
        rows = by_day(days, first, last, span.last_poll, store.zone)
    else:
        rows = await queries.summaries(audience, periods(first, last, options.by, terms))
    return formats.summaries(rows, options.form, store.zone)


async def _unknown_names(queries: Queries, options: ReportOptions) -> list[str]:
    """A misspelled name must not look like one without activity."""
    problems = []
    if options.group:
        known = [group.name for group in await queries.groups(OPERATOR)]
        if options.group not in known:
            hint = did_you_mean(options.group, known)
            problems.append(f"--group: no group named {options.group} has been seen{hint or '.'}")
    if options.user and not await queries.knows_user(options.user):
        problems.append(f"--user: no user named {options.user} has been seen.")
    return problems
