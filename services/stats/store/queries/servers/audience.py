"""Whose servers a query reads."""

from typing import Any

from sqlalchemy import Select, select

from services.stats.query.access import Individual, Members, WholeHub
from services.stats.store import tables as t
from services.stats.store.queries.selection import Selection


def anybody(selection: Selection) -> bool:
    """Whether the audience can have any servers."""
    return isinstance(selection.audience, WholeHub) or bool(selection.windows)


def of_audience(selection: Selection, query: Select[Any]) -> Select[Any]:
    """The query, limited to sessions of users who may be shown on some day."""
    if isinstance(selection.audience, Members):
        members = select(t.memberships.c.user_id).where(
            t.memberships.c.group_id == selection.group_id
        )
        return query.where(t.sessions.c.user_id.in_(members))
    if isinstance(selection.audience, Individual):
        return query.where(t.sessions.c.user_id.in_(list(selection.windows or ())))
    return query
