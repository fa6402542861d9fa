"""Parses form fields, JSON bodies and query strings, and reports every problem. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from common.errors import ServiceError
from services.cull.store.records import HoldKind

LONGEST_HOLD = timedelta(days=366)
PAGE_SIZE = 100
_LONGEST_NAME = 255
_LONGEST_WHY = 500
_MOST_EVENTS = 1000


class InvalidInput(ServiceError):
    """A request with invalid input. ``problems`` lists everything that is wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


@dataclass(frozen=True)
class HoldRequest:
    """A hold that an administrator wants to add."""

    kind: HoldKind
    name: str
    server: str
    until: datetime
    why: str


class SortKey(StrEnum):
    """The columns by which servers can be sorted."""

    USER = "user"
    SERVER = "server"
    STATE = "state"
    LAST_ACTIVITY = "last_activity"
    STOPS_AT = "stops_at"
    RULE = "rule"


class ServerFilter(StrEnum):
    """Which servers to list."""

    ALL = "all"
    WILL_STOP = "stopping"
    WILL_NOT_STOP = "kept"
    HELD = "held"
    EXTENDED = "extended"


@dataclass(frozen=True)
class ServerQuery:
    """Which servers to list, and in which order.

    ``text`` is searched in the names of the user, the server and the groups. ``page`` counts
    from 1.
    """

    text: str = ""
    rule: str = ""
    show: ServerFilter = ServerFilter.ALL
    sort: SortKey = SortKey.STOPS_AT
    descending: bool = False
    page: int = 1


def parse_hold(fields: Mapping[str, object], now: datetime) -> HoldRequest:
    """A hold from a form or a JSON object; raises InvalidInput.

    It ends either at ``until``, an ISO 8601 time (UTC unless it has an offset), or after
    ``hours``.
    """
    problems: list[str] = []
    unknown = sorted(
        set(fields) - {"kind", "name", "server", "until", "until_utc", "hours", "why", "_xsrf"}
    )
    if unknown:
        problems.append(f"unknown fields: {', '.join(unknown)[:200]}")
    kind = _hold_kind(fields, problems)
    name = _text(fields, "name", _LONGEST_NAME, problems)
    if not name and not any(problem.startswith("name") for problem in problems):
        problems.append("name: enter the name of a user or group")
    server = _text(fields, "server", _LONGEST_NAME, problems)
    if server and kind in (HoldKind.USER, HoldKind.GROUP):
        problems.append(f"server: leave this empty to hold a {kind}")
    why = _text(fields, "why", _LONGEST_WHY, problems)
    until = _end(fields, now, problems)
    if problems or kind is None or until is None:
        raise InvalidInput(problems)
    return HoldRequest(kind=kind, name=name, server=server, until=until, why=why)


def parse_server_query(query: Mapping[str, str]) -> ServerQuery:
    """Which servers to list, from a query string; raises InvalidInput."""
    problems: list[str] = []
    text = _text(query, "q", _LONGEST_NAME, problems)
    rule = _text(query, "rule", _LONGEST_NAME, problems)
    show = ServerFilter.ALL
    try:
        show = ServerFilter(query.get("show") or ServerFilter.ALL)
    except ValueError:
        problems.append(f"show: must be one of {', '.join(ServerFilter)}")
    sort, descending = SortKey.STOPS_AT, False
    wanted = query.get("sort") or SortKey.STOPS_AT
    try:
        sort, descending = SortKey(wanted.removeprefix("-")), wanted.startswith("-")
    except ValueError:
        problems.append(
            f"sort: must be one of {', '.join(SortKey)}, with a leading - for descending order"
        )
    page = _count(query, "page", 1, 1_000_000, problems)
    if problems:
        raise InvalidInput(problems)
    return ServerQuery(text, rule, show, sort, descending, page)


def parse_audit_query(query: Mapping[str, str]) -> tuple[int, int | None]:
    """``limit`` and ``before`` of a request for audit events; raises InvalidInput."""
    problems: list[str] = []
    limit = _count(query, "limit", PAGE_SIZE, _MOST_EVENTS, problems)
    before = _count(query, "before", 0, 2**31 - 1, problems) or None
    if problems:
        raise InvalidInput(problems)
    return limit, before


def parse_hold_id(text: str) -> int:
    """The id of a hold; raises InvalidInput."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) < 2**31):
        raise InvalidInput(["id: must be the number of a hold"])
    return int(text)


def parse_time(value: object) -> datetime | None:
    """An ISO 8601 time, converted to UTC; None if it is invalid or only a date.

    A time without an offset is UTC.
    """
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.strip())
        if len(value.strip()) <= len("2026-03-02"):
            return None
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_name(text: str) -> bool:
    """Whether this can be the name of a user, server or group, and can be stored."""
    return len(text) <= _LONGEST_NAME and _is_storable(text)


def _is_storable(text: str) -> bool:
    # No control characters, and no lone surrogates, which databases reject.
    return all(char >= " " and char != "\x7f" and not "\ud800" <= char <= "\udfff" for char in text)


def _hold_kind(fields: Mapping[str, object], problems: list[str]) -> HoldKind | None:
    try:
        return HoldKind(str(fields.get("kind", "")))
    except ValueError:
        problems.append(f"kind: must be one of {', '.join(HoldKind)}")
        return None


def _text(fields: Mapping[str, object], key: str, longest: int, problems: list[str]) -> str:
    value = fields.get(key, "")
    if not isinstance(value, str):
        problems.append(f"{key}: must be text")
        return ""
    if len(value) > longest:
        problems.append(f"{key}: must have at most {longest} characters")
        return ""
    if not _is_storable(value):
        problems.append(f"{key}: must not contain control characters")
        return ""
    return value if key in ("name", "server") else value.strip()


def _count(query: Mapping[str, str], key: str, default: int, most: int, problems: list[str]) -> int:
    text = query.get(key)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most):
        problems.append(f"{key}: must be a whole number from 1 to {most}")
        return default
    return int(text)


def _end(fields: Mapping[str, object], now: datetime, problems: list[str]) -> datetime | None:
    hours = fields.get("hours") or None
    # The page's script also sends until_utc, because the field itself is in local time then.
    written = fields.get("until_utc") or fields.get("until") or None
    if (hours is None) == (written is None):
        problems.append("until: give either an end time or a number of hours")
        return None
    until = _after_hours(hours, now) if hours is not None else parse_time(written)
    if until is None:
        key = "hours" if hours is not None else "until"
        wanted = "a number above 0" if hours is not None else "a time such as 2026-03-02T18:00Z"
        problems.append(f"{key}: must be {wanted}")
        return None
    if until <= now:
        problems.append("until: this time is in the past")
    elif until > now + LONGEST_HOLD:
        problems.append(f"until: must be at most {LONGEST_HOLD.days} days from now")
    return until


def _after_hours(value: object, now: datetime) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
        return now + timedelta(hours=number) if number > 0 else None
    except (ValueError, OverflowError):
        return None
