"""How passes are made: concurrency, limits and times."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class FollowSettings:
    """How to poll a server that the Hub is slow to stop. Times in seconds.

    The pause between two polls grows from ``first_pause`` to ``max_pause``. ``deadline`` is when
    the stop is reported as overdue.
    """

    first_pause: float = 1.0
    max_pause: float = 10.0
    deadline: float = 300.0


@dataclass(frozen=True, kw_only=True)
class CullSettings:
    """Settings of every pass. Times in seconds.

    ``period`` is the time between passes. A pass that has lasted that long starts no further
    stop, because its listing is outdated. None means a single pass, which runs to its end and
    also waits for slow stops. ``keep_servers`` keeps the servers found by the last pass in
    memory, for pages and dry runs. ``slot_seconds`` is how long one target may occupy one of the
    ``concurrency`` slots: the Hub itself answers a slow stop after 10 s. ``first_backoff`` is
    the pause after the first failed stop of a target; it doubles with each further failure.
    """

    concurrency: int = 10
    cull_users: bool = False
    period: float | None = None
    max_stops_per_minute: int = 0
    keep_servers: bool = False
    slot_seconds: float = 15.0
    first_backoff: float = 60.0
    follow: FollowSettings = field(default_factory=FollowSettings)
