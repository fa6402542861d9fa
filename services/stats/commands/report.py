"""``report``: use of the hub by day, week or month, or a list of inactive users."""

from collections.abc import Mapping
from datetime import UTC, datetime

from common.errors import ConfigError
from services.stats.commands import report_formats as formats
from services.stats.commands.report_formats import Format
from services.stats.days import By, day_of, periods
from services.stats.pseudonyms import Pseudonyms
from services.stats.query.access import OPERATOR
from services.stats.query.periods import by_day
from services.stats.query.question import Range, one_of, parse_day
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store


async def report(store: Store, options: Mapping[str, str], pseudonyms: Pseudonyms | None) -> str:
    """The report as text. Raises ConfigError, listing all invalid options.

    ``options`` are those of the command line: ``since``, ``until``, ``by``, ``group``, ``user``,
    ``inactive-since`` and ``format``, each optional.
    """
    problems: list[str] = []
    requested = Range.parse(options, problems)
    by = By(one_of("--by", options.get("by", "day"), list(By), problems))
    form = Format(one_of("--format", options.get("format", "table"), list(Format), problems))
    inactive = options.get("inactive-since", "")
    inactive_since = parse_day("--inactive-since", inactive, problems) if inactive else None
    if problems:
        raise ConfigError(problems)
    queries = Queries(store, name_of=pseudonyms.name if pseudonyms else str)
    audience = OPERATOR.audience(group=options.get("group", ""), user=options.get("user", ""))
    if inactive_since is not None:
        return formats.people(await queries.inactive(audience, inactive_since), form)
    span = await queries.span()
    first, last = requested.days(span.last_day if span else day_of(datetime.now(UTC), store.zone))
    if span and requested.since is None:
        first = max(first, span.first_day)
    if by is By.DAY and span and first <= last:
        days = await queries.days(audience, first, last)
        rows = by_day(days, first, last, span.last_poll, store.zone)
    else:
        rows = await queries.summaries(audience, periods(first, last, by))
    return formats.summaries(rows, form, store.zone)
