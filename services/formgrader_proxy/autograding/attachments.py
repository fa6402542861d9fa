"""Serving the files of a submission, and nothing that a link in it points to."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader.handlers import SubmissionFilesHandler
from tornado import web

from services.formgrader_proxy.autograding.files.open_beneath import open_beneath

_CHUNK_BYTES = 256 * 1024


class Attachments(SubmissionFilesHandler):  # type: ignore[misc]  # nbgrader has no types
    """GET submissions/ID/PATH: a regular file in the folder of an autograded submission.

    The file is opened once, without following links, and everything is read from its descriptor.
    """

    _file: BufferedReader

    def parse_url_path(self, url_path: str) -> str:
        """The path of the file, relative to the course's directory.

        :raises HTTPError: there is no such submission
        """
        found = re.fullmatch(r"([^/]+)/(.+)", url_path.lstrip("/"), re.DOTALL)
        if found is None:
            raise web.HTTPError(404)
        try:
            submission = self.gradebook.find_submission_notebook_by_id(found[1])
            assignment, student = submission.assignment.assignment.name, submission.student.id
        except MissingEntry:
            raise web.HTTPError(404) from None
        course = self.coursedir
        self._folder = Path(course.format_path(course.autograded_directory, student, assignment))
        self._parts = found[2].split("/")
        return os.path.join(self._folder, found[2])

    def validate_absolute_path(self, _root: str, absolute_path: str) -> str:
        """Open the file. :raises HTTPError: it is not a regular file of this submission"""
        folder = self._folder
        try:
            # The course's directory, and the one of this step, may be links of an administrator.
            descriptor = open_beneath(
                folder.parent.parent, (folder.parent.name, folder.name, *self._parts)
            )
        except (OSError, ValueError):
            raise web.HTTPError(404) from None
        self._file = os.fdopen(descriptor, "rb")
        self._status = os.fstat(descriptor)
        return absolute_path

    def get_content_size(self) -> int:
        """In bytes."""
        return self._status.st_size

    def get_modified_time(self) -> datetime:
        """In whole seconds."""
        return datetime.fromtimestamp(int(self._status.st_mtime), tz=UTC)

    def compute_etag(self) -> str | None:
        """Changes with the file."""
        found = self._status
        return f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"'

    def get_content(
        self, _abspath: str, start: int | None = None, end: int | None = None
    ) -> Iterator[bytes]:
        """The bytes from ``start`` to before ``end``."""
        self._file.seek(start or 0)
        left = (self._status.st_size if end is None else end) - (start or 0)
        while left > 0 and (chunk := self._file.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk

    def on_finish(self) -> None:
        """Close the file."""
        super().on_finish()
        file: Any = getattr(self, "_file", None)
        if file is not None:
            file.close()
