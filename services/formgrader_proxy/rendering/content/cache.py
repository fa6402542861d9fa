"""Keeps what took long to render, by its content: nbconvert's HTML of code, Markdown and terminals.

Most cells of a notebook are the instructor's, so they are the same in every submission, and a
grader returns to submissions. The parts of a page that are kept contain no nonce, name, score or
comment, and pass the sanitizer each time they are used, so nothing of one page can reach another,
and no mistake here can show what was not sanitized. They are in memory only, and end with the
process.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from threading import Lock

#: Bytes that are kept: the answers of 1,100 students to six questions, and the rest of their
#: notebook once.
MOST_BYTES = 48_000_000
#: Longer HTML is not kept, so that a few huge submissions do not replace all others.
LONGEST = MOST_BYTES // 32


class Rendered:
    """The HTML that was used most recently, up to a number of bytes. Safe for threads."""

    def __init__(self, most_bytes: int = MOST_BYTES, longest: int = LONGEST) -> None:
        self._most = most_bytes
        self._longest = longest
        self._kept: OrderedDict[bytes, str] = OrderedDict()
        self._lock = Lock()
        self.bytes = 0

    def get(self, *content: str, make: Callable[[], str]) -> str:
        """What ``make`` returned for this content, or returns now.

        ``content`` is everything that the result depends on, beginning with what it is. An
        exception of ``make`` is passed on, and not kept.
        """
        key = _digest(content)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        size = sys.getsizeof(made)
        if size <= self._longest:
            with self._lock:
                self._keep(key, made, size)
        return made

    def clear(self) -> None:
        """Keep nothing of what has been rendered."""
        with self._lock:
            self._kept.clear()
            self.bytes = 0

    def _keep(self, key: bytes, made: str, size: int) -> None:
        if key in self._kept:  # another thread has made the same
            return
        self._kept[key] = made
        self.bytes += size
        while self.bytes > self._most:
            _, oldest = self._kept.popitem(last=False)
            self.bytes -= sys.getsizeof(oldest)


def _digest(content: tuple[str, ...]) -> bytes:
    # Students choose the content, so it has to be a hash for which nobody finds two that collide.
    made = blake2b(digest_size=32)
    for part in content:
        data = part.encode("utf-8", "surrogatepass")
        made.update(len(data).to_bytes(8, "big"))
        made.update(data)
    return made.digest()


#: One for all exporters of this process.
RENDERED = Rendered()
