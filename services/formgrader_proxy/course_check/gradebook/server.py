"""A gradebook on a database server."""

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from services.formgrader_proxy.course_check.findings import without_secrets
from services.formgrader_proxy.course_check.gradebook.revisions import Upgrade, examine_revision

#: Seconds to connect, and for each query.
CONNECT_SECONDS, QUERY_SECONDS = 5, 10


def examine_server(db_url: str, upgrade: Upgrade) -> str | None:
    """What is wrong with the gradebook at this URL."""
    try:
        engine = connectable(db_url)
    except (ArgumentError, ValueError):
        return "The URL of the gradebook's database is invalid. Use postgresql://USER:PASSWORD@HOST/NAME."
    except NoSuchModuleError:
        return f'There is no driver for a gradebook at "{make_url(db_url).drivername}://".'
    except ImportError as error:
        return f"The driver of the gradebook's database is not installed: {error}."
    name = f'The database "{engine.url.database}" on {engine.url.host or "this machine"}'
    try:
        with engine.connect() as connection:
            if _is_read_only(connection):
                return f"{name} is read-only, so no grade can be saved."
            return examine_revision(connection, name, upgrade)
    except DBAPIError as error:
        reason = _reason(error, str(engine.url.password or ""))
        return f"{name} cannot be used: {reason}."


def connectable(db_url: str) -> Engine:
    """An engine with time limits."""
    url = make_url(db_url)
    limits: dict[str, object] = {}
    if url.get_backend_name() == "postgresql":
        limits = {
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c statement_timeout={QUERY_SECONDS}s",
        }
    return create_engine(url, poolclass=NullPool, connect_args=limits)


def _is_read_only(connection: Connection) -> bool:
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.execute(text("SHOW transaction_read_only")).scalar() == "on")


def _reason(error: DBAPIError, password: str) -> str:
    reason = without_secrets(str(error.orig)).rstrip(".?")
    return reason.replace(password, "***") if password else reason
