"""A session for each request: current values, nothing kept after an error, no lost change."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from services.formgrader_proxy.gradebook.database import sessions
from services.formgrader_proxy.gradebook.database.opened import gradebook_engine
from services.formgrader_proxy.gradebook.database.sessions import RequestGradebook
from services.formgrader_proxy.gradebook.database.sqlite_file import (
    BUSY_MILLISECONDS,
    wait_for_locks,
)
from tests.formgrader_proxy.gradebook.gradebooks import new_gradebook, one_submission


@pytest.fixture
def engine(url: str) -> Engine:
    """Connections to a gradebook with one submission."""
    wait_for_locks()
    with new_gradebook(url) as gradebook:
        one_submission(gradebook)
    return gradebook_engine(url, "course101")


def submitted(engine: Engine) -> str:
    with RequestGradebook(engine, "course101") as gradebook:
        (notebook,) = gradebook.find_submission("ps1", "ana").notebooks
        return str(notebook.id)


def test_a_new_request_sees_what_others_saved(engine: Engine) -> None:
    """While another session has read the old value, and is still open."""
    key = submitted(engine)
    first = RequestGradebook(engine, "course101")
    assert not first.find_submission_notebook_by_id(key).flagged
    with RequestGradebook(engine, "course101", changes=True) as other:
        other.find_submission_notebook_by_id(key).flagged = True
        other.db.commit()
    first.close()
    with RequestGradebook(engine, "course101") as second:
        assert second.find_submission_notebook_by_id(key).flagged


def test_without_a_commit_nothing_is_kept(engine: Engine) -> None:
    """As after an exception; the next request can change the gradebook."""
    key = submitted(engine)
    gradebook = RequestGradebook(engine, "course101", changes=True)
    gradebook.find_submission_notebook_by_id(key).flagged = True
    gradebook.db.flush()
    gradebook.close()
    with RequestGradebook(engine, "course101", changes=True) as gradebook:
        assert not gradebook.find_submission_notebook_by_id(key).flagged
        gradebook.update_or_create_student("ben")


def test_a_change_does_not_wait_for_long(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program writes to the file: its process would answer nobody. Reading goes on."""
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL locks rows, not the whole gradebook")
    monkeypatch.setattr(sessions, "CHANGE_MILLISECONDS", 50)
    key = submitted(engine)
    with closing(sqlite3.connect(str(engine.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(OperationalError, match="locked"):
            RequestGradebook(engine, "course101", changes=True)
        assert time.monotonic() - started < BUSY_MILLISECONDS / 1000 / 2
        assert submitted(engine) == key
    with RequestGradebook(engine, "course101", changes=True) as gradebook:
        gradebook.update_or_create_student("ben")


def test_reading_and_writing_is_one_step(engine: Engine) -> None:
    """Many requests at once turn a flag an even number of times, so it ends as it began."""
    key, start = submitted(engine), threading.Barrier(8)

    def turn(_: int) -> None:
        start.wait(20)
        for _ in range(5):
            with RequestGradebook(engine, "course101", changes=True) as gradebook:
                notebook = gradebook.find_submission_notebook_by_id(key)
                notebook.flagged = not notebook.flagged
                turns.append(notebook.flagged)
                gradebook.db.commit()

    turns: list[bool] = []
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(turn, range(8)))
    assert turns.count(True) == turns.count(False) == 20
    with RequestGradebook(engine, "course101") as gradebook:
        assert not gradebook.find_submission_notebook_by_id(key).flagged
