"""How many users are not counted, and why."""

from collections.abc import Mapping

from sqlalchemy import select

from services.stats.query.access import Individual, WholeHub
from services.stats.query.uncounted import Uncounted
from services.stats.store import tables as t
from services.stats.store.excluded import unmatched_of
from services.stats.store.queries.selection import Selection
from services.stats.store.upsert import batches


async def uncounted(selection: Selection, meta: Mapping[str, str]) -> Uncounted:
    """The users of the selection who are not counted on at least one of its days."""
    excluded = selection.excluded
    since = excluded.since if selection.span and excluded.since > selection.first else None
    number = 0
    if excluded and not selection.empty:
        if isinstance(selection.audience, WholeHub):
            number = await _of_hub(selection)
        elif not isinstance(selection.audience, Individual):
            number = _of_group(selection)
    return Uncounted(number, excluded.exclusion.patterns, tuple(unmatched_of(meta)), since)


async def is_uncounted(selection: Selection) -> bool:
    """Whether the one user of the selection is not counted on at least one of its days."""
    return any(
        selection.marked.overlaps(user_id, selection.first, selection.last)
        for user_id in selection.windows or ()
    )


def _of_group(selection: Selection) -> int:
    return sum(
        any(
            selection.excluded.overlaps(
                user_id, max(first, selection.first), min(last, selection.last)
            )
            for first, last in windows
        )
        for user_id, windows in selection.memberships.items()
    )


async def _of_hub(selection: Selection) -> int:
    c = t.users.c
    number = 0
    for some in batches(sorted(selection.excluded.users), 500):
        query = select(c.id, c.first_seen, c.deleted).where(c.id.in_(some))
        for row in await selection.connection.execute(query):
            days = selection.existed(row.first_seen, row.deleted)
            number += selection.excluded.overlaps(row.id, *days)
    return number
