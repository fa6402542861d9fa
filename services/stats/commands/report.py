"""``report``: use of the hub by day, week or month, or a list of inactive users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from common.config.suggestions import did_you_mean
from common.errors import ConfigError
from services.stats.commands import report_formats as formats
from services.stats.commands.dropped_off import EMAILS, DroppedOffOptions, dropped_off
from services.stats.commands.report_formats import Format
from services.stats.days import By, day_of, periods
from services.stats.meeting.document import document
from services.stats.meeting.gather import Wanted, gather
from services.stats.pseudonyms import Pseudonyms
from services.stats.query.access import OPERATOR, Audience
from services.stats.query.meeting.model import WHOLE_HUB, shown_days
from services.stats.query.meeting.page import page
from services.stats.query.periods import by_day
from services.stats.query.question import Range, Span, one_of, parse_day
from services.stats.settings.terms import Terms
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store


@dataclass(frozen=True)
class ReportOptions:
    """What to report, from the command line."""

    range: Range
    by: By | None
    """None: by day, or what suits a page to print."""
    form: Format
    group: str = ""
    user: str = ""
    inactive_since: date | None = None
    terms: Terms = ()
    """Instead of those of the service."""
    wide: bool = False
    hub_name: str = ""
    """The hub's name on a page to print; empty: as in the database."""
    dropped_off: DroppedOffOptions | None = None

    @classmethod
    def parse(
        cls, options: Mapping[str, str], problems: list[str], terms: Terms = (), *, email: str = ""
    ) -> "ReportOptions":
        """From ``since``, ``until``, ``by``, ``group``, ``user``, ``inactive-since``, ``format``
        and ``dropped-off``.

        Each is optional, and ``wide`` has no value. Appends mistakes to ``problems``, also options
        that do not apply to the report that the others ask for.
        """
        inactive = options.get("inactive-since", "")
        if inactive:
            problems += [
                f"--{name}: not with --inactive-since, which lists users."
                for name in ("since", "until", "by")
                if name in options
            ]
        dropped = DroppedOffOptions.parse(options, problems, email)
        form_name = "table" if options.get("format") == EMAILS else options.get("format", "table")
        form = Format(one_of("--format", form_name, list(Format), problems))
        if "wide" in options and form is not Format.TABLE:
            problems.append(f"--wide: not with --format={form}; it is for tables.")
        if inactive and form is Format.HTML:
            problems.append("--format: html is a report by period; leave --inactive-since out.")
        return cls(
            range=Range.parse(options, problems),
            by=By(one_of("--by", options["by"], list(By), problems)) if "by" in options else None,
            form=form,
            group=options.get("group", ""),
            user=options.get("user", ""),
            inactive_since=(
                parse_day("--inactive-since", inactive, problems) if inactive else None
            ),
            terms=terms,
            wide="wide" in options,
            dropped_off=dropped,
        )


async def report(
    store: Store,
    options: ReportOptions,
    pseudonyms: Pseudonyms | None,
    problems: Sequence[str] = (),
) -> str:
    """The report as text. ``problems`` are what else is wrong with the command line.

    :raises ConfigError: the ``problems``, and names or terms that the database does not have
    """
    queries = Queries(store, name_of=pseudonyms.name if pseudonyms else str)
    problems = [*problems, *await _unknown_names(queries, options)]
    terms = (options.terms or await queries.terms()) if options.by is By.TERM else ()
    if options.by is By.TERM and not terms:
        problems.append("--by: no terms are known; add --terms=FILE.")
    if problems:
        raise ConfigError(problems)
    audience = OPERATOR.audience(group=options.group, user=options.user)
    if options.dropped_off is not None:
        return await dropped_off(queries, audience, options.dropped_off, options.form)
    if options.inactive_since is not None:
        rows = await queries.inactive(audience, options.inactive_since)
        text = formats.people(rows, options.form, wide=options.wide)
        today = day_of(datetime.now(UTC), store.zone)
        return text + await _not_counted(queries, options, today, today)
    span = await queries.span()
    if options.form is Format.HTML:
        return await _page(queries, audience, options, span)
    by = options.by or By.DAY
    first, last = options.range.days(
        span.last_day if span else day_of(datetime.now(UTC), store.zone)
    )
    if span and options.range.since is None:
        first = max(first, span.first_day)
    if span and last < first:  # such as --since=2027-01-01: an empty table looks like an answer
        raise ConfigError([_no_records(span)])
    if by is By.DAY and span and first <= last:
        days = await queries.days(audience, first, last)
        summaries = by_day(days, first, last, span.last_poll, store.zone)
    else:
        summaries = await queries.summaries(audience, periods(first, last, by, terms))
    if span and not summaries:
        raise ConfigError([_no_records(span)])
    resolution = await queries.resolution(first, last) if span else None
    text = formats.summaries(
        summaries, options.form, store.zone, wide=options.wide, resolution=resolution
    )
    return text + await _not_counted(queries, options, first, last)


def _no_records(span: Span | None) -> str:
    covered = f"records cover {span.first_day} to {span.last_day}" if span else "there are none yet"
    return f"--since, --until: there are no records of these days; {covered}."


async def _not_counted(queries: Queries, options: ReportOptions, first: date, last: date) -> str:
    """A line below the table about users who are not counted on these days."""
    if options.form is not Format.TABLE or options.user:
        return ""
    span = await queries.span()
    if span is not None:  # today may not have been polled yet
        first, last = min(first, span.last_day), max(last, span.first_day)
    audience = OPERATOR.audience(group=options.group)
    found = await queries.uncounted(audience, first, last)
    return formats.not_counted(found, whole_hub=not options.group)


async def _page(
    queries: Queries, audience: Audience, options: ReportOptions, span: Span | None
) -> str:
    """The page for a meeting. Raises ConfigError if there are no records of the days."""
    period = shown_days(options.range, span, queries.zone) if span else None
    if span is None or period is None:
        raise ConfigError([_no_records(span)])
    title = " in ".join(name for name in (options.user, options.group) if name)
    wanted = Wanted(
        audience, title or WHOLE_HUB, period, options.by, datetime.now(UTC), options.terms
    )
    found = page(await gather(queries, wanted, span), options.hub_name or await queries.hub_name())
    return document(found, made_up=await queries.made_up())


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
