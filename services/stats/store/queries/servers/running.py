"""The servers that run now."""

from sqlalchemy import select

from services.stats.intervals import Interval
from services.stats.query.access import WholeHub
from services.stats.query.servers.ages import RunningServer
from services.stats.store import tables as t
from services.stats.store.queries.selection import Selection
from services.stats.store.queries.servers.audience import anybody, of_audience
from services.stats.store.tables import FOREVER


async def running_servers(selection: Selection) -> list[RunningServer]:
    """The servers of the audience that run now, the oldest first; of the hub, all of them."""
    if selection.span is None or not anybody(selection):
        return []
    s = t.sessions.c
    query = (
        select(
            s.user_id,
            t.users.c.name.label("user"),
            s.server,
            t.profiles.c.name.label("profile"),
            t.images.c.name.label("image"),
            s.started,
            s.last_activity,
        )
        .select_from(t.sessions.join(t.users).outerjoin(t.profiles).outerjoin(t.images))
        .where(s.ended == FOREVER)
        .order_by(s.started, s.id)
    )
    today = selection.span.last_day
    found = []
    for row in await selection.connection.execute(of_audience(selection, query)):
        run = Interval(row.started, max(selection.now, row.started))
        started = run.start
        if not isinstance(selection.audience, WholeHub):
            if not selection.visible(row.user_id, today):
                continue
            # What a member did before they joined is not shown.
            started = selection.visible_parts(row.user_id, run)[-1].start
        found.append(
            RunningServer(
                user=row.user,
                server=row.server,
                profile=row.profile,
                image=row.image,
                started=started,
                last_activity=row.last_activity if row.last_activity >= started else None,
                age=run.end - started,
            )
        )
    return found
