"""The indexes of a gradebook: complete, additive and removable."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from nbgrader.api import Base

from services.formgrader_proxy.gradebook.database import indexes, opened
from services.formgrader_proxy.gradebook.database.opened import gradebook_engine, new_engine
from tests.formgrader_proxy.gradebook.gradebooks import new_gradebook
from tests.paths import ROOT

ALL = sorted(indexes.index_name(*column) for column in indexes.COLUMNS)


def own_indexes(url: str) -> list[str]:
    engine = sa.create_engine(url)
    try:
        found = sa.inspect(engine)
        return sorted(
            str(index["name"])
            for table in found.get_table_names()
            for index in found.get_indexes(table)
            if str(index["name"]).startswith(indexes.PREFIX)
        )
    finally:
        engine.dispose()


def test_every_foreign_key_of_a_growing_table_has_an_index() -> None:
    """Those of nbgrader's tables, except keys that are primary keys, and an assignment's course."""
    keys = {
        (table.name, key.parent.name)
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if not key.parent.primary_key
    }
    assert keys - {("assignment", "course_id")} == set(indexes.COLUMNS)


def test_create_and_remove(url: str) -> None:
    """Each is done once; what nbgrader created stays."""
    engine = new_engine(url)
    tables = sa.inspect(engine).get_table_names()
    assert sorted(indexes.create(engine)) == ALL == own_indexes(url)
    assert indexes.create(engine) == []
    assert indexes.remove(engine) == ALL
    assert own_indexes(url) == []
    assert indexes.remove(engine) == []
    assert sa.inspect(engine).get_table_names() == tables
    engine.dispose()


def test_several_processes_create_them_at_once(url: str) -> None:
    """None fails, and the indexes are there."""
    engines = [new_engine(url) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        problems = list(threads.map(indexes.create_or_log, engines))
    assert problems == [""] * 6
    assert own_indexes(url) == ALL
    for engine in engines:
        engine.dispose()


def test_an_empty_database_gets_none(tmp_path: Path) -> None:
    """nbgrader creates the tables first."""
    engine = new_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    assert indexes.create(engine) == []


def test_a_database_that_cannot_be_changed(tmp_path: Path) -> None:
    """The reason is returned, once, without a traceback."""
    path = tmp_path / "gradebook.db"
    new_gradebook(f"sqlite:///{path}").close()
    engine = sa.create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert indexes.create_or_log(engine) == "attempt to write a readonly database"
    engine.dispose()


def test_they_are_created_again_after_a_change_of_the_tables(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``nbgrader db upgrade`` may do while the formgrader runs."""
    monkeypatch.setattr(opened, "CHECK_SECONDS", 0)
    engine = gradebook_engine(url, "course101")
    assert own_indexes(url) == ALL
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX classroom_grade_notebook_id")
    gradebook_engine(url, "course101")
    assert own_indexes(url) == ALL


def test_another_file_in_the_same_place_is_prepared(tmp_path: Path) -> None:
    """Such as a copy that was restored."""
    path, copy = tmp_path / "gradebook.db", tmp_path / "copy.db"
    url = f"sqlite:///{path}"
    for place in (path, copy):
        new_gradebook(f"sqlite:///{place}").close()
    gradebook_engine(url, "course101")
    copy.rename(path)
    assert own_indexes(url) == []
    gradebook_engine(url, "course101")
    assert own_indexes(url) == ALL


@pytest.mark.parametrize("configured", [True, False], ids=["courses-file", "nbgrader_config"])
def test_the_command(tmp_path: Path, configured: bool) -> None:
    """It finds the gradebook of the course, creates and removes, and names what is wrong."""
    course = tmp_path / "course"
    course.mkdir()
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    text = f'[[course]]\nid = "course101"\ndirectory = "{course}"\n'
    if configured:
        (tmp_path / "url").write_text(url)
        text += f'db_url_file = "{tmp_path / "url"}"\n'
    else:
        (course / "nbgrader_config.py").write_text(
            f"print(1)\nc.CourseDirectory.db_url = {url!r}\n"
        )
    (tmp_path / "courses.toml").write_text(text)
    code, output = command(tmp_path)
    assert (code, "there is no gradebook at" in output) == (1, True)
    new_gradebook(url).close()
    assert command(tmp_path)[1].startswith("course101: Created 11 indexes: classroom_grade_")
    assert own_indexes(url) == ALL
    assert command(tmp_path) == (0, "course101: nothing to do.\n")
    assert command(tmp_path, "--remove")[1].startswith("course101: Removed 11 indexes: ")
    assert own_indexes(url) == []
    assert "contains no course other" in command(tmp_path, course="other")[1]


def command(directory: Path, *options: str, course: str = "course101") -> tuple[int, str]:
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "services.formgrader_proxy"),
            *("gradebook-indexes", str(directory / "courses.toml"), course, *options),
        ],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr
