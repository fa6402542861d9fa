"""The lines of a formgrader's log: limited in length and rate, and printable.

A submission can print gigabytes. Everything is read, so that the formgrader never waits, and most
of it is dropped. Pure: the caller provides the time.
"""

#: Bytes of a line that are kept. With a line break it stays below PIPE_BUF, so it is written to a
#: pipe completely or not at all.
LINE_BYTES = 2000
#: Lines that are kept at once, and lines per second in the long run.
BURST = 500
RATE = 50.0


class LogLines:
    """Splits what a process prints into lines and drops those beyond the rate."""

    def __init__(self, *, burst: int = BURST, rate: float = RATE) -> None:
        self._burst, self._rate = float(burst), rate
        self._allowance, self._at = self._burst, 0.0
        self._partial = b""
        self._overlong = False
        self._dropped = 0

    def add(self, data: bytes, now: float) -> list[bytes]:
        """The complete lines to keep, without line breaks. ``now`` are monotonic seconds."""
        self._allowance = min(self._burst, self._allowance + (now - self._at) * self._rate)
        self._at = now
        kept: list[bytes] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            if self._allowance < 1:  # the rest is counted, not split
                self._dropped += data.count(b"\n", start)
                start = data.rfind(b"\n") + 1
                self._partial, self._overlong = b"", False
                break
            kept.extend(self._line(data[start:end]))
            start = end + 1
        self._append(data[start : start + LINE_BYTES + 1])
        return kept

    def rest(self) -> list[bytes]:
        """The last line if it is incomplete, and a note about lines that were dropped."""
        self._allowance = max(self._allowance, 1.0)
        found = self._line(b"") if self._partial or self._overlong else []
        return found + self._note()

    def _line(self, data: bytes) -> list[bytes]:
        note = self._note()
        self._append(data)
        line, cut = self._partial, self._overlong
        self._partial, self._overlong = b"", False
        self._allowance -= 1
        return [*note, line.rstrip(b"\r") + (b" ... (cut)" if cut else b"")]

    def _append(self, data: bytes) -> None:
        room = LINE_BYTES - len(self._partial)
        self._overlong = self._overlong or len(data) > room
        self._partial += data[:room]

    def _note(self) -> list[bytes]:
        dropped, self._dropped = self._dropped, 0
        return [b"(%d lines omitted: too many at once)" % dropped] if dropped else []


def printable(line: bytes) -> str:
    """The line as text, with control and invisible characters escaped.

    A log or page that shows it cannot be confused by colours, cursor movements, line breaks or
    text that runs from right to left.
    """
    text = line.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode()
        for char in text
    )
