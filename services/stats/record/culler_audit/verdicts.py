"""Which of the sessions that ended the culler stopped. Pure.

A stop in the audit log belongs to the session of that server that had begun last. A session without
a stop was not stopped by the culler if the log has every stop of the time between the last poll
that saw the server and the first one that did not.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.stats.intervals import Interval
from services.stats.record.observed import ACCURACY
from services.stats.recorder_state import SessionKey
from services.stats.records import Session

SECOND = timedelta(seconds=1)
"""Starts are stored as whole seconds."""

GIVE_UP = timedelta(days=1)
"""A session is not decided on after this time: the culler was away, or is not in use."""


class Stop(NamedTuple):
    """A stop in the culler's audit log."""

    at: datetime
    key: SessionKey
    certain: bool
    """False: the stop failed, and the server may have stopped all the same."""


class Ended(NamedTuple):
    """A session that ended, and the poll that noticed it."""

    session: Session
    noticed: datetime

    @property
    def key(self) -> SessionKey:
        return self.session.user_id, self.session.server


def decide(
    ended: Iterable[Ended],
    running: Mapping[SessionKey, Session],
    stops: Iterable[Stop],
    complete: Interval | None,
) -> list[Session]:
    """The sessions that are decided now, with ``culled`` set.

    ``complete``: when the log has every stop. A stop that is later than the recorded end by more
    than the accuracy of the data, as after a gap, corrects the end.
    """
    by_key: dict[SessionKey, list[Stop]] = {}
    for stop in stops:
        by_key.setdefault(stop.key, []).append(stop)
    waiting = list(ended)
    starts: dict[SessionKey, list[datetime]] = {}
    for one in waiting:
        starts.setdefault(one.key, []).append(one.session.started)
    for key, session in running.items():
        if key in starts:
            starts[key].append(session.started)
    decided = []
    for one in waiting:
        found = _of(one.session, by_key.get(one.key, ()), starts[one.key])
        if any(stop.certain for stop in found):
            at = max(stop.at for stop in found if stop.certain)
            decided.append(_culled(one, at))
        elif not found and complete is not None and _covers(complete, one):
            decided.append(one.session._replace(culled=False))
    return decided


def _of(session: Session, stops: Sequence[Stop], starts: Sequence[datetime]) -> list[Stop]:
    """The stops of this session: those after its start and before the next one."""
    following = min((start for start in starts if start > session.started), default=None)
    return [
        stop
        for stop in stops
        if stop.at >= session.started
        and (following is None or stop.at < following + SECOND)
        and stop.at >= session.last_activity - SECOND
    ]


def _culled(ended: Ended, at: datetime) -> Session:
    session = ended.session._replace(culled=True)
    if session.ended is None or at - session.ended <= ACCURACY:
        return session
    return session._replace(ended=min(at.replace(microsecond=0), ended.noticed))


def _covers(complete: Interval, ended: Ended) -> bool:
    since = ended.session.ended or ended.noticed
    return complete.start <= since and ended.noticed <= complete.end
