"""Which sessions began and ended between two polls, and when their users were active. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta

from services.stats.intervals import Interval, add_to
from services.stats.record.culls import end_of_stopped, reported_activity
from services.stats.record.memberships import id_of
from services.stats.record.observed import ACCURACY, AHEAD, ServerSeen, whole_second
from services.stats.recorder_state import SessionKey, State
from services.stats.records import LONGEST, ActivityKey, Changes, Person, Session


class SessionChanges:
    """Compares the servers of each user with the running sessions and writes the difference.

    ``longest_pause``: activity times at most this far apart belong to one stretch of work.
    """

    def __init__(
        self, state: State, changes: Changes, now: datetime, longest_pause: timedelta
    ) -> None:
        self._state, self._changes, self._now = state, changes, now
        self._longest_pause = longest_pause
        self._recent: dict[int, list[Interval]] = {}
        self._next_session = state.next_session
        self._profiles, self._images = dict(state.profiles), dict(state.images)
        self._servers_of: dict[int, list[str]] = {}
        for user_id, server in state.running:
            self._servers_of.setdefault(user_id, []).append(server)

    def running_servers(self, user_id: int) -> Sequence[str]:
        """The person's servers that ran at the last poll."""
        return self._servers_of.get(user_id, ())

    def observe(self, person: Person, server: ServerSeen) -> bool:
        """Record one server; return whether its user has been active since the last poll."""
        label = f"server {person.name}/{server.name}"
        self._changes.problems += [f"{label}: invalid {problem}" for problem in server.problems]
        key = (person.id, server.name)
        session = self._state.running.get(key)
        started = None if server.started is None else whole_second(server.started)
        if started is not None and started > self._now:
            if started <= self._now + AHEAD:
                return False  # started since the poll began: the next poll records it
            self._changes.problems.append(
                f"{label}: started {started.isoformat()} is later than the Hub's clock"
            )
            started = None
        if session is not None and started is not None and started != session.started:
            last_seen = end_of_stopped(session, None, self._last_poll())
            self._end(session, min(last_seen, started))
            session = None
        is_new = session is None
        if session is None:
            if not server.ready:
                return False
            session = self._begin(person, server, started or self._now)
        activity = self._activity(key, label, server)
        if activity is None or activity <= session.last_activity:
            last_poll = self._state.last_poll
            return is_new and (last_poll is None or session.started > last_poll)
        self._extend(session, activity)
        return True

    def _begin(self, person: Person, server: ServerSeen, started: datetime) -> Session:
        profile_id = None
        if server.profile is not None:
            profile_id = id_of(server.profile, self._profiles, self._changes.profiles)
        image_id = None
        if server.image is not None:
            image_id = id_of(server.image, self._images, self._changes.images)
        session = Session(
            id=self._next_session,
            user_id=person.id,
            server=server.name,
            profile_id=profile_id,
            started=started,
            last_activity=started,
            image_id=image_id,
        )
        self._next_session += 1
        self._changes.sessions[session.id] = session
        self._changes.touch(started)
        # Starting a server is activity, even if the user then does nothing else.
        self.add_activity(person.id, started, started)
        return session

    def _activity(self, key: SessionKey, label: str, server: ServerSeen) -> datetime | None:
        """The latest activity on the server that can be its user's, else None."""
        reported = reported_activity(server)
        if reported is None:
            return None
        reported = whole_second(reported)
        if reported <= self._now + AHEAD:
            self._changes.ahead_of_clock.pop(key, None)
            return min(reported, self._now)
        before = self._state.ahead_of_clock.get(key)
        if before == reported:
            return None  # it has not changed, although the clock has come closer to it
        self._changes.ahead_of_clock[key] = reported
        self._changes.problems.append(
            f"{label}: last_activity {reported.isoformat()} is later than the Hub's clock;"
            " when it changes, the time of the poll is recorded instead"
        )
        return None if before is None else self._now

    def _extend(self, session: Session, activity: datetime) -> None:
        since = session.last_activity
        if activity - since > self._longest_pause:
            since = max(activity - ACCURACY, session.started)
        self.add_activity(session.user_id, since, activity)
        self._changes.sessions[session.id] = session._replace(last_activity=activity)

    def add_activity(self, user_id: int, start: datetime, end: datetime) -> None:
        """Record that the user was active; only the part that is not settled yet counts."""
        start = max(start, self._state.settled_for(user_id, self._servers_of.get(user_id, ())))
        if start > end:
            return
        known = self._recent.get(user_id)
        if known is None:
            known = self._state.recent.get(user_id, [])
        self._recent[user_id], added, removed = add_to(known, Interval(start, end), LONGEST)
        changed: dict[ActivityKey, datetime | None] = {(user_id, i.start): None for i in removed}
        changed |= {(user_id, i.start): i.end for i in added}
        if changed:
            self._changes.activity.update(changed)
            self._changes.touch(start)

    def end_absent(self, present: Set[SessionKey], new_activity: Mapping[int, datetime]) -> None:
        """End the sessions whose server is no longer there.

        ``new_activity``: by user id, the time that a stop has set.
        """
        absent = [
            session
            for key, session in self._state.running.items()
            if key not in present and session.id not in self._changes.sessions
        ]
        stopped = Counter(session.user_id for session in absent)
        for session in absent:
            moved = None if stopped[session.user_id] > 1 else new_activity.get(session.user_id)
            self._end(session, end_of_stopped(session, moved, self._last_poll()))

    def _last_poll(self) -> datetime | None:
        """The last poll, but not one of the future, from before the Hub's clock was set back."""
        last = self._state.last_poll
        return last and min(last, self._now)

    def _end(self, session: Session, ended: datetime) -> None:
        ended = max(ended, session.last_activity)
        self._changes.sessions[session.id] = session._replace(ended=ended)
        self._changes.ahead_of_clock.pop((session.user_id, session.server), None)
        self._changes.touch(session.last_activity)

    def count_running(self) -> int:
        """Servers that run after this poll."""
        count = len(self._state.running)
        for session in self._changes.sessions.values():
            count += session.id >= self._state.next_session
            count -= session.ended is not None
        return count
