"""The database URLs that people write, made into those of the asyncio drivers. Pure."""

from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from common.errors import ConfigError

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
_WANTED = (
    "write sqlite:///FILE (sqlite:////ABSOLUTE/FILE) or postgresql://USER:PASSWORD@HOST/DATABASE"
)


def async_url(url: str) -> str:
    """The URL with the driver that works under asyncio: aiosqlite or asyncpg.

    A driver that is named already (``postgresql+psycopg2``) is replaced. libpq's ``sslmode`` is
    given to asyncpg as ``ssl``. Raises ConfigError, without the URL in it as it may hold a
    password.
    """
    scheme, separator, rest = url.strip().partition(":")
    database = scheme.partition("+")[0].lower()
    if not separator or not rest.startswith("//"):
        raise ConfigError([f"--db-url: this is no database URL; {_WANTED}"])
    if database not in _DRIVERS:
        raise ConfigError([f"--db-url: {database!r} is not supported; {_WANTED}"])
    if database == "sqlite":
        return f"{_DRIVERS[database]}:{rest}"
    address, _, query = rest.partition("?")
    options = [
        ("ssl" if key == "sslmode" else key, value)
        for key, value in parse_qsl(query, keep_blank_values=True)
    ]
    tail = f"?{urlencode(options, quote_via=quote)}" if options else ""
    return f"{_DRIVERS[database]}:{address}{tail}"


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for one in memory, and for another database."""
    scheme, _, rest = url.strip().partition(":///")
    path = rest.partition("?")[0]
    if scheme.partition("+")[0].lower() != "sqlite" or path in ("", ":memory:"):
        return None
    return Path(path)
