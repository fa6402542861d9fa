"""Who uses a course's formgrader now. In memory, for the last few minutes only."""

from collections import defaultdict

from common.clock import Clock

#: Seconds after a user's last request until they no longer count as grading.
PRESENT_SECONDS = 300.0


class Activity:
    """The users of each course with the times of their last requests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: defaultdict[str, dict[str, float]] = defaultdict(dict)

    def seen(self, course: str, user: str) -> None:
        """A user who has a role in the course sent a request."""
        self._seen[course][user] = self._clock.monotonic()

    def present(self, course: str) -> tuple[str, ...]:
        """The users of the last minutes, sorted by name."""
        oldest = self._clock.monotonic() - PRESENT_SECONDS
        users = {user: at for user, at in self._seen.get(course, {}).items() if at >= oldest}
        if users:
            self._seen[course] = users
        else:
            self._seen.pop(course, None)
        return tuple(sorted(users))
