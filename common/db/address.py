"""Database URLs as people write them, parsed and normalised. Pure.

SQLite through aiosqlite, PostgreSQL through asyncpg; nothing else. Whatever driver the URL
names is replaced by one of these, and the scheme may be written in any case.

The messages never quote the user name, the password, the host or the port: in a URL whose
password contains a character that should have been percent-encoded, any of these may hold a
part of the password.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from common.errors import ConfigError

EXAMPLES = (
    "write sqlite:///FILE (sqlite:////ABSOLUTE/FILE) or postgresql://USER:PASSWORD@HOST/DATABASE"
)

_SQLITE = "sqlite"
_POSTGRESQL = ("postgresql", "postgres")
_MEMORY = ("", ":memory:")

# The same parts as in sqlalchemy.make_url, which reads the normalised URL later.
_LOCATION = re.compile(
    r"(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<host>\[[^/?\]]+\]|[^/:?\[\]]*)(?::(?P<port>[^/?]*))?"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)

_SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SESSIONS = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
_CHOICES = {"ssl": _SSL, "target_session_attrs": _SESSIONS}
_NUMBERS = ("prepared_statement_cache_size",)
_TEXTS = ("host", "port", "user", "password", "passfile")
# libpq's options that asyncpg reads from the environment only.
_ENVIRONMENT = {
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
}


@dataclass(frozen=True, kw_only=True)
class DatabaseAddress:
    """Where a database is.

    url: for SQLAlchemy, with the asyncio driver and, possibly, a password.
    shown: for logs and pages, without password and options.
    file: of SQLite; None for a database in memory, and for PostgreSQL.
    """

    url: str = field(repr=False)
    shown: str
    is_sqlite: bool
    file: Path | None = None


def parse_address(db_url: str, *, option: str = "--db-url") -> DatabaseAddress:
    """The address in a URL. libpq's ``sslmode`` becomes asyncpg's ``ssl``.

    :raises ConfigError: one problem that names ``option`` and lists every mistake in the URL
    """
    scheme, separator, rest = db_url.strip().partition("://")
    kind = scheme.partition("+")[0].lower()
    if not separator:
        mistakes = ["not a database URL"]
    elif kind == _SQLITE:
        mistakes = list(_sqlite_mistakes(rest))
    elif kind in _POSTGRESQL:
        mistakes = list(_postgresql_mistakes(rest))
    elif re.fullmatch(r"[a-z][a-z0-9]{0,19}", kind):
        mistakes = [f"{kind!r} is not supported"]
    else:
        mistakes = ["not a database URL"]
    if mistakes:
        raise ConfigError([f"{option}: {'; '.join(mistakes)}; {EXAMPLES}"])
    return _sqlite_address(rest) if kind == _SQLITE else _postgresql_address(rest)


def _sqlite_mistakes(rest: str) -> Iterator[str]:
    path, question, _ = rest.partition("?")
    if path and not path.startswith("/"):
        yield "a SQLite URL has three slashes before the file, and four if its path is absolute"
    if path[1:].startswith("file:"):
        yield "SQLite's file: URIs are not supported"
    if question:
        yield "a SQLite URL takes no options"


def _sqlite_address(rest: str) -> DatabaseAddress:
    name = rest[1:]
    return DatabaseAddress(
        url=f"sqlite+aiosqlite://{rest}",
        shown=f"sqlite://{rest}",
        is_sqlite=True,
        file=None if name in _MEMORY else Path(name),
    )


def _postgresql_mistakes(rest: str) -> Iterator[str]:
    found = _LOCATION.fullmatch(rest)
    if found is None:
        yield "not a database URL"
        return
    parts = found.groupdict(default="")
    if any("@" in parts[name] for name in ("host", "port", "database", "query")):
        yield "percent-encode '@', ':', '/' and '?' in the user name and password (@ is %40)"
        return
    if parts["port"] and not _is_port(parts["port"]):
        yield "the port is not a number from 1 to 65535"
    if not parts["database"]:
        yield "the database name is missing"
    for name, value in _options(parts["query"]):
        yield from _option_mistakes(name, value)


def _option_mistakes(name: str, value: str) -> Iterator[str]:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            yield f"option {name} takes one of {', '.join(_CHOICES[name])}"
    elif name in _NUMBERS:
        if not (value.isascii() and value.isdecimal()):
            yield f"option {name} takes a number"
    elif name in _ENVIRONMENT:
        yield f"set the environment variable {_ENVIRONMENT[name]} instead of the option {name}"
    elif name == "port":
        if value and not _is_port(value):
            yield "the option port is not a number from 1 to 65535"
    elif name not in _TEXTS:
        known = sorted([*_CHOICES, *_NUMBERS, *_TEXTS, "sslmode"])
        yield f"unknown option {name!r} (known: {', '.join(known)})"


def _postgresql_address(rest: str) -> DatabaseAddress:
    found = _LOCATION.fullmatch(rest)
    assert found is not None, "checked before"  # noqa: S101
    parts = found.groupdict()
    host = parts["host"] + (f":{parts['port']}" if parts["port"] else "")
    login = shown = ""
    if parts["user"] is not None:
        password = "" if parts["password"] is None else f":{parts['password']}"
        login, shown = f"{parts['user']}{password}@", f"{parts['user']}@"
    options = urlencode(_options(parts["query"] or ""), quote_via=quote)
    return DatabaseAddress(
        url=f"postgresql+asyncpg://{login}{host}/{parts['database']}"
        + (f"?{options}" if options else ""),
        shown=f"postgresql://{shown}{host}/{parts['database']}",
        is_sqlite=False,
    )


def _options(query: str) -> list[tuple[str, str]]:
    return [
        ("ssl" if name == "sslmode" else name, value)
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) < 65536
