"""nbgrader's gradebook for one request: it sees what other processes have saved."""

from typing import Any

from nbgrader.api import Comment, Grade, Gradebook, SubmittedNotebook
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import scoped_session, sessionmaker

#: How long a change waits for another writer of a SQLite file, in milliseconds. Writers take a few;
#: and while this one waits, its process answers nobody. The page repeats a change that failed.
CHANGE_MILLISECONDS = 5_000


class RequestGradebook(Gradebook):  # type: ignore[misc]  # nbgrader has no types
    """A gradebook with a session of its own on connections that requests share.

    nbgrader keeps one session as long as the process lives, which shows old values when other
    processes save, and after an error it can fail for everybody.
    """

    def __init__(self, engine: Engine, course_id: str, *, changes: bool = False) -> None:
        """``changes``: what is read by id stays locked against other writers until the commit.

        :raises SQLAlchemyError: the database cannot be opened, or was locked for too long
        """
        self.engine = engine
        self.db = scoped_session(sessionmaker(autoflush=True, bind=engine, future=True))
        self.course_id = course_id
        self.authenticator = None
        self._changes = changes
        if changes and engine.dialect.name == "sqlite":
            # The lock of a writer from the start. A transaction that begins with reading fails
            # if somebody else saves before it writes.
            try:
                self.db.execute(text(f"PRAGMA busy_timeout = {CHANGE_MILLISECONDS}"))
                self.db.execute(text("BEGIN IMMEDIATE"))
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """End the session. What was not committed is rolled back."""
        self.db.remove()

    def find_grade_by_id(self, grade_id: str) -> Any:
        """:raises MissingEntry: there is no such grade"""
        self._lock(Grade, grade_id)
        return super().find_grade_by_id(grade_id)

    def find_comment_by_id(self, comment_id: str) -> Any:
        """:raises MissingEntry: there is no such comment"""
        self._lock(Comment, comment_id)
        return super().find_comment_by_id(comment_id)

    def find_submission_notebook_by_id(self, notebook_id: str) -> Any:
        """:raises MissingEntry: there is no such submitted notebook"""
        self._lock(SubmittedNotebook, notebook_id)
        return super().find_submission_notebook_by_id(notebook_id)

    def _lock(self, table: Any, key: str) -> None:
        if self._changes and self.engine.dialect.name != "sqlite":
            self.db.execute(select(table.id).where(table.id == key).with_for_update())
