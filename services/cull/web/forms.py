"""Reads what people and programs send, and names everything that is wrong with it. Pure."""

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


class BadInput(ServiceError):
    """Input that cannot be used: every problem of it."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


@dataclass(frozen=True)
class HoldWish:
    """A hold that somebody asks for."""

    kind: HoldKind
    name: str
    server: str
    until: datetime
    why: str


class Sort(StrEnum):
    """The columns that the list of servers can be sorted by."""

    USER = "user"
    SERVER = "server"
    STATE = "state"
    LAST_ACTIVITY = "last_activity"
    STOPS_AT = "stops_at"
    RULE = "rule"


class Show(StrEnum):
    """Which servers to list."""

    ALL = "all"
    STOPPING = "stopping"
    KEPT = "kept"
    HELD = "held"
    EXTENDED = "extended"


@dataclass(frozen=True)
class ListQuery:
    """Which servers to list, in which order. text: anywhere in user, server or group."""

    text: str = ""
    rule: str = ""
    show: Show = Show.ALL
    sort: Sort = Sort.STOPS_AT
    descending: bool = False
    page: int = 1


def parse_hold(fields: Mapping[str, object], now: datetime) -> HoldWish:
    """A hold from a form or a JSON object; raises BadInput.

    The end is either ``until``, an ISO 8601 time (one without an offset is UTC), or ``hours``.
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
        problems.append("name: say which user or group")
    server = _text(fields, "server", _LONGEST_NAME, problems)
    if server and kind in (HoldKind.USER, HoldKind.GROUP):
        problems.append(f"server: leave it out when you hold a {kind}")
    why = _text(fields, "why", _LONGEST_WHY, problems)
    until = _end(fields, now, problems)
    if problems or kind is None or until is None:
        raise BadInput(problems)
    return HoldWish(kind=kind, name=name, server=server, until=until, why=why)


def parse_list(query: Mapping[str, str]) -> ListQuery:
    """What to list, from a query string; raises BadInput."""
    problems: list[str] = []
    text = _text(query, "q", _LONGEST_NAME, problems)
    rule = _text(query, "rule", _LONGEST_NAME, problems)
    show = Show.ALL
    try:
        show = Show(query.get("show") or Show.ALL)
    except ValueError:
        problems.append(f"show: one of {', '.join(Show)}")
    sort, descending = Sort.STOPS_AT, False
    wanted = query.get("sort") or Sort.STOPS_AT
    try:
        sort, descending = Sort(wanted.removeprefix("-")), wanted.startswith("-")
    except ValueError:
        problems.append(f"sort: one of {', '.join(Sort)}, with - in front for descending")
    page = _count(query, "page", 1, 1_000_000, problems)
    if problems:
        raise BadInput(problems)
    return ListQuery(text, rule, show, sort, descending, page)


def parse_audit(query: Mapping[str, str]) -> tuple[int, int | None]:
    """``limit`` and ``before`` of a request for audit lines; raises BadInput."""
    problems: list[str] = []
    limit = _count(query, "limit", PAGE_SIZE, _MOST_EVENTS, problems)
    before = _count(query, "before", 0, 2**31 - 1, problems) or None
    if problems:
        raise BadInput(problems)
    return limit, before


def parse_id(text: str) -> int:
    """The id of a hold; raises BadInput."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) < 2**31):
        raise BadInput(["id: the number of a hold"])
    return int(text)


def parse_time(value: object) -> datetime | None:
    """An ISO 8601 time in UTC, one without an offset taken for UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.strip())
        if len(value.strip()) <= len("2026-03-02"):
            return None  # a date alone does not say when
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_name(text: str) -> bool:
    """Whether this could be the name of a user, server or group, and can be stored."""
    return len(text) <= _LONGEST_NAME and _is_storable(text)


def _is_storable(text: str) -> bool:
    # No control characters; no lone surrogates, which no database takes.
    return all(char >= " " and char != "\x7f" and not "\ud800" <= char <= "\udfff" for char in text)


def _hold_kind(fields: Mapping[str, object], problems: list[str]) -> HoldKind | None:
    try:
        return HoldKind(str(fields.get("kind", "")))
    except ValueError:
        problems.append(f"kind: one of {', '.join(HoldKind)}")
        return None


def _text(fields: Mapping[str, object], key: str, longest: int, problems: list[str]) -> str:
    value = fields.get(key, "")
    if not isinstance(value, str):
        problems.append(f"{key}: must be text")
        return ""
    if len(value) > longest:
        problems.append(f"{key}: at most {longest} characters")
        return ""
    if not _is_storable(value):
        problems.append(f"{key}: no control characters")
        return ""
    return value if key in ("name", "server") else value.strip()


def _count(query: Mapping[str, str], key: str, default: int, most: int, problems: list[str]) -> int:
    text = query.get(key)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most):
        problems.append(f"{key}: a whole number from 1 to {most}")
        return default
    return int(text)


def _end(fields: Mapping[str, object], now: datetime, problems: list[str]) -> datetime | None:
    hours = fields.get("hours") or None
    # A script sends until_utc beside the form's own field, which is in the viewer's zone then.
    written = fields.get("until_utc") or fields.get("until") or None
    if (hours is None) == (written is None):
        problems.append("until: say either until when, or for how many hours")
        return None
    until = _after_hours(hours, now) if hours is not None else parse_time(written)
    if until is None:
        key = "hours" if hours is not None else "until"
        wanted = "a number above 0" if hours is not None else "a time such as 2026-03-02T18:00Z"
        problems.append(f"{key}: {wanted}")
        return None
    if until <= now:
        problems.append("until: this time is past")
    elif until > now + LONGEST_HOLD:
        problems.append(f"until: at most {LONGEST_HOLD.days} days from now")
    return until


def _after_hours(value: object, now: datetime) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
        return now + timedelta(hours=number) if number > 0 else None
    except (ValueError, OverflowError):
        return None
