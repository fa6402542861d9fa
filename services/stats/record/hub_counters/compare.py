"""The spawns since the last reading of the Hub's counters. Pure.

The counters say how many there were, and not when: what was read belongs to the hour of the
reading, or to the whole time since the last reading if that is a gap.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.stats.record.hub_counters.parse import Reading, Totals
from services.stats.recorder_state import State
from services.stats.records import Changes, SpawnCounters, Spawns

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def count_spawns(
    state: State,
    changes: Changes,
    reading: Reading,
    now: datetime,
    longest: timedelta,
    zone: ZoneInfo,
) -> None:
    """Add what was read ``now`` to the changes. Later readings than ``longest`` are a gap.

    The first reading tells nothing: the Hub may have counted for weeks. After a restart of the Hub,
    its counters began at zero; what it counted between the last reading and its end is lost.
    """
    before = state.spawn_counters
    if before is not None and now <= before.until:
        return
    since = now
    if before is not None:
        restarted = _restarted(before, reading)
        totals = reading.totals if restarted else _difference(before.totals, reading.totals)
        start = before.until
        if restarted:
            since = start = _between(start, reading.hub_started, now)
            if reading.hub_started is None:
                since = now
        else:
            since = before.since
        _add(state, changes, totals, _interval(start, now, longest, zone))
    changes.spawn_counters[since] = SpawnCounters(since, now, reading.hub_started, reading.totals)


def _restarted(before: SpawnCounters, reading: Reading) -> bool:
    if before.hub_started is not None and reading.hub_started is not None:
        return before.hub_started != reading.hub_started
    numbers = {outcome: total[0] for outcome, total in reading.totals.items()}
    return any(numbers.get(outcome, 0) < total[0] for outcome, total in before.totals.items())


def _between(earliest: datetime, moment: datetime | None, latest: datetime) -> datetime:
    return earliest if moment is None else min(max(earliest, moment), latest)


def _difference(before: Totals, after: Totals) -> Totals:
    found: Totals = {}
    for outcome, (count, seconds, lengths) in after.items():
        count_before, seconds_before, lengths_before = before.get(outcome, (0, 0.0, {}))
        if count <= count_before:
            continue
        more = {bound: n - lengths_before.get(bound, 0) for bound, n in lengths.items()}
        found[outcome] = (
            count - count_before,
            max(0.0, round(seconds - seconds_before, 3)),
            {bound: n for bound, n in more.items() if n > 0},
        )
    return found


def _interval(
    start: datetime, now: datetime, longest: timedelta, zone: ZoneInfo
) -> tuple[datetime, datetime]:
    """The hour of the local clock in which the spawns were read, or the gap if it is longer."""
    local = (now - SECOND).astimezone(zone)
    hour = now - SECOND - timedelta(minutes=local.minute, seconds=local.second)
    if now - start <= longest or start >= hour:
        return hour, hour + HOUR
    return start, now


def _add(
    state: State, changes: Changes, totals: Totals, interval: tuple[datetime, datetime]
) -> None:
    for outcome, (count, seconds, lengths) in totals.items():
        key = (*interval, outcome)
        known = state.spawns.get(key)
        if known is not None:
            count, seconds = count + known.number, round(seconds + known.seconds, 3)
            lengths = {
                bound: lengths.get(bound, 0) + known.lengths.get(bound, 0)
                for bound in sorted(lengths.keys() | known.lengths.keys())
            }
        changes.spawns[key] = Spawns(*key, count, seconds, lengths)
