"""The body of a change, read completely before the change is allowed and forwarded.

Reading takes as long as the client wants, and a grader may be removed meanwhile. So permissions are
checked when the body is there, and the formgrader never waits for a slow client.
"""

import asyncio
import io
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from aiohttp import web

if TYPE_CHECKING:
    from typing import Self

#: A body up to this size is kept in memory, a larger one in a temporary file.
IN_MEMORY_BYTES = 256 * 1024


@dataclass(frozen=True)
class Limits:
    """The largest body in bytes, and the seconds in which it has to arrive."""

    size: int
    seconds: float


#: The changes that nbgrader's pages make are small: a grade, a comment, a student's name.
LISTED = Limits(256 * 1024, 60.0)
#: In full mode, files are uploaded, too. Jupyter Server has the same limit.
FULL = Limits(512 * 1024 * 1024, 600.0)


class BodyRefused(Exception):
    """The body is too large or too slow. ``status`` is the response's, the text is for the user."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


class Body:
    """A complete body. Its user closes it, which removes the temporary file."""

    def __init__(self) -> None:
        self._file: BinaryIO = io.BytesIO()
        self._size = 0

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def write(self, chunk: bytes) -> None:
        """Append to the body. :raises OSError: there is no space for it"""
        if self._size <= IN_MEMORY_BYTES < self._size + len(chunk):
            memory, self._file = self._file, tempfile.TemporaryFile()  # noqa: SIM115  # close() does
            self._file.write(memory.getbuffer() if isinstance(memory, io.BytesIO) else b"")
        self._file.write(chunk)
        self._size += len(chunk)

    @property
    def size(self) -> int:
        """Bytes."""
        return self._size

    @property
    def data(self) -> bytes | BinaryIO:
        """The bytes, or a file at its start if they are many."""
        self._file.seek(0)
        return self._file.getvalue() if isinstance(self._file, io.BytesIO) else self._file

    def close(self) -> None:
        self._file.close()


async def read_body(request: web.BaseRequest, limits: Limits) -> Body | None:
    """The complete body, or None if the request has none.

    :raises BodyRefused: it is too large or too slow, or there is no space for it
    """
    if not request.body_exists:
        return None
    if (request.content_length or 0) > limits.size:
        raise _too_large(limits)
    body = Body()
    try:
        async with asyncio.timeout(limits.seconds):
            await _fill(body, request, limits)
    except TimeoutError:
        body.close()
        text = f"The request was not received completely within {limits.seconds:.0f} s."
        raise BodyRefused(408, f"{text} Nothing was changed. Try again.") from None
    except BaseException:
        body.close()
        raise
    return body


async def _fill(body: Body, request: web.BaseRequest, limits: Limits) -> None:
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limits.size:
            raise _too_large(limits)
        try:
            body.write(chunk)
        except OSError as error:
            text = "The server has no space for this upload. Nothing was changed. Try again later."
            raise BodyRefused(503, text) from error


def _too_large(limits: Limits) -> BodyRefused:
    kilobytes = limits.size // 1024
    most = f"{kilobytes} kB" if kilobytes < 1024 else f"{kilobytes // 1024} MB"
    return BodyRefused(413, f"More than {most} cannot be sent at once. Nothing was changed.")
