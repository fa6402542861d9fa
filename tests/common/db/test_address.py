"""Database URLs as people write them: what they become, and what is wrong with them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from common.db.address import EXAMPLES, parse_address
from common.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("sqlite:///x.sqlite", "sqlite+aiosqlite:///x.sqlite"),
        ("sqlite:////srv/x.sqlite", "sqlite+aiosqlite:////srv/x.sqlite"),
        ("sqlite+aiosqlite:///x", "sqlite+aiosqlite:///x"),
        ("SQLite:///X", "sqlite+aiosqlite:///X"),
        ("sqlite://", "sqlite+aiosqlite://"),
        ("postgresql://u:p%40ss@h:5/d", "postgresql+asyncpg://u:p%40ss@h:5/d"),
        ("postgresql://u:pa/s?s:w#@h/d", "postgresql+asyncpg://u:pa/s?s:w#@h/d"),
        ("postgres://h/d", "postgresql+asyncpg://h/d"),
        ("POSTGRESQL://H/D", "postgresql+asyncpg://H/D"),
        ("postgresql+psycopg2://h/d", "postgresql+asyncpg://h/d"),
        ("postgresql://[::1]:5/d", "postgresql+asyncpg://[::1]:5/d"),
        ("postgresql://h:/d", "postgresql+asyncpg://h/d"),
        ("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require"),
        (" postgresql:///d?host=/run/pg ", "postgresql+asyncpg:///d?host=%2Frun%2Fpg"),
        ("postgresql:///d?host=a:1&host=b:2", "postgresql+asyncpg:///d?host=a%3A1&host=b%3A2"),
        (
            "postgresql://h/d?prepared_statement_cache_size=0",
            "postgresql+asyncpg://h/d?prepared_statement_cache_size=0",
        ),
    ],
)
def test_urls_get_the_asyncio_driver(written: str, used: str) -> None:
    """A URL as people write it leads to aiosqlite or asyncpg, and SQLAlchemy can read it."""
    assert parse_address(written).url == used
    assert make_url(used)


@pytest.mark.parametrize(
    ("written", "file"),
    [
        ("sqlite:///x.sqlite", Path("x.sqlite")),
        ("sqlite:////srv/x.sqlite", Path("/srv/x.sqlite")),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("postgresql://h/d", None),
    ],
)
def test_the_file_of_a_sqlite_database(written: str, file: Path | None) -> None:
    """Only SQLite has a file, and not in memory."""
    assert parse_address(written).file == file


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("sqlite+aiosqlite:////srv/x.sqlite", "sqlite:////srv/x.sqlite"),
        ("postgres://u:s3cret@h:5/d?ssl=require", "postgresql://u@h:5/d"),
        ("postgresql:///d?host=/run/pg&password=s3cret", "postgresql:///d"),
    ],
)
def test_what_is_shown_has_no_password(written: str, shown: str) -> None:
    """Logs and pages name the database without password and options; so does the repr."""
    address = parse_address(written)
    assert address.shown == shown
    assert "s3cret" not in repr(address)


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("", "not a database URL"),
        ("cull.sqlite", "not a database URL"),
        ("/srv/cull.sqlite", "not a database URL"),
        ("postgresql:/x", "not a database URL"),
        ("s3cret!://h/d", "not a database URL"),
        ("mysql://u:s3cret@h/d", "'mysql' is not supported"),
        ("sqlite://x.sqlite", "three slashes"),
        ("sqlite:///x?timeout=3", "takes no options"),
        ("sqlite:///file:x?uri=true", "file: URIs are not supported"),
        ("postgresql://h:notaport/d", "the port is not a number from 1 to 65535"),
        ("postgresql://h:0/d", "the port is not a number from 1 to 65535"),
        ("postgresql://h:65536/d", "the port is not a number from 1 to 65535"),
        ("postgresql://h:٣/d", "the port is not a number from 1 to 65535"),
        ("postgresql:///d?host=h&port=x", "the option port is not a number"),
        ("postgresql://h", "the database name is missing"),
        ("postgresql://h/", "the database name is missing"),
        ("postgresql://[::1/d", "not a database URL"),
        ("postgresql://h/d?sslmode=yes", "option ssl takes one of disable, allow"),
        ("postgresql://h/d?target_session_attrs=x", "option target_session_attrs takes one of any"),
        ("postgresql://h/d?prepared_statement_cache_size=x", "takes a number"),
        ("postgresql://h/d?sslrootcert=/x", "set the environment variable PGSSLROOTCERT"),
        ("postgresql://h/d?connect_timeout=3", "unknown option 'connect_timeout' (known: host"),
        ("postgresql://u:p@s3cret@h/d", "percent-encode '@'"),
        ("postgresql://u:p@s3cret:x@h/d", "percent-encode '@'"),
        ("postgresql://u:p@s3/cret@h/d", "percent-encode '@'"),
        ("postgresql://u:p@s3?cret=1@h/d", "percent-encode '@'"),
    ],
)
def test_mistakes(written: str, mistake: str) -> None:
    """A mistake is named together with what to write, and no part of a password is shown."""
    with pytest.raises(ConfigError) as refused:
        parse_address(written, option="--database")
    (problem,) = refused.value.problems
    assert problem.startswith("--database: ")
    assert mistake in problem
    assert problem.endswith(EXAMPLES)
    assert "s3" not in problem
    assert "cret" not in problem


def test_all_mistakes_are_in_one_message() -> None:
    """Port, database name and each option: one start is enough to see them all."""
    with pytest.raises(ConfigError) as refused:
        parse_address("postgresql://u:s3cret@h:x/?sslmode=on&color=red&sslkey=k")
    (problem,) = refused.value.problems
    for mistake in ("the port", "database name", "option ssl", "'color'", "PGSSLKEY"):
        assert mistake in problem
    assert "s3cret" not in problem


@given(
    st.builds(
        "{}://{}".format,
        st.sampled_from(["postgresql", "postgres+x", "sqlite", "PostgreSQL"]),
        st.text(st.sampled_from("ab1:/?#@[]%&= .ä"), max_size=12),
    )
)
def test_what_is_accepted_can_be_read(written: str) -> None:
    """Whatever the URL: either a ConfigError, or a URL that SQLAlchemy can read."""
    try:
        address = parse_address(written)
    except ConfigError:
        return
    url = make_url(address.url)
    assert url.get_backend_name() in ("sqlite", "postgresql")
    if address.is_sqlite and address.file is not None:
        assert url.database == str(address.url).partition(":///")[2]
