"""A gradebook on a real PostgreSQL server, checked before a course is served."""

from pathlib import Path

import pytest
import sqlalchemy as sa

pytest.importorskip("nbgrader")
pytest.importorskip("psycopg2")
from services.formgrader_proxy.access import CourseGroups
from services.formgrader_proxy.commands.examine_course import examine_course
from services.formgrader_proxy.courses import Course
from tests.fakes.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]


def findings(directory: Path, url: str) -> list[str]:
    secret = directory / "db_url"
    secret.write_text(url + "\n")
    groups = CourseGroups(frozenset({"g"}))
    course = Course("c1", "Sums", groups, directory, db_url_file=secret)
    return [finding.text for finding in examine_course(course)]


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(
        url.replace("postgresql:", "postgresql+psycopg2:", 1), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def test_what_the_server_says(tmp_path: Path, postgres_url: str) -> None:
    """A new database is fine; an unknown one, an older one and a read-only one are not."""
    assert findings(tmp_path, postgres_url) == []
    nowhere = sa.make_url(postgres_url).set(database="nowhere")
    (missing,) = findings(tmp_path, nowhere.render_as_string(hide_password=False))
    assert '"nowhere" does not exist' in missing
    execute(
        postgres_url,
        "CREATE TABLE assignment (id int)",
        "CREATE TABLE alembic_version (version_num varchar)",
        "INSERT INTO alembic_version VALUES ('724cde206c17')",
    )
    (older,) = findings(tmp_path, postgres_url)
    assert "was made by an older nbgrader" in older
    assert older.endswith(f'nbgrader db upgrade --db "$(cat {tmp_path}/db_url)"')
    name = sa.make_url(postgres_url).database
    execute(postgres_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    (read_only,) = findings(tmp_path, postgres_url)
    assert "is read-only" in read_only


def test_a_wrong_password(tmp_path: Path, postgres_url: str) -> None:
    """It is not repeated."""
    url = sa.make_url(postgres_url).set(username="nobody-known", password="hush-hush")
    (refused,) = findings(tmp_path, url.render_as_string(hide_password=False))
    assert "cannot be used:" in refused
    assert "hush-hush" not in refused
