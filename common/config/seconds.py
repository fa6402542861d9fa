"""A setting that is a duration: a number of seconds, or words such as "1h 30m" and "never"."""

from typing import Any

from traitlets import Int, TraitError

from common.durations import MAX_SECONDS, parse_duration


class Seconds(Int[Any, Any]):
    """A whole number of seconds, also written as in ``"45m"``, ``"1h 30m"`` or ``"2d"``.

    ``never`` is the value for ``"never"``, where that word makes sense: None or 0. ``zero`` says
    why 0 is not accepted, and what to write instead; without it, 0 is a number like any other.
    """

    info_text = 'a number of seconds or a duration such as "45m"'

    def __init__(
        self, default: Any = 0, *, never: int | str | None = "", zero: str = "", **settings: Any
    ) -> None:
        self.never, self.zero = never, zero
        settings = {"max": int(MAX_SECONDS), "allow_none": never is None, **settings}
        super().__init__(default, **settings)

    def from_string(self, text: str) -> Any:
        """The value on the command line; :meth:`validate` reads the words."""
        return text

    def validate(self, obj: Any, value: Any) -> Any:
        """The number of seconds. Raises TraitError with what to write instead."""
        if isinstance(value, str):
            value = self._parse(value)
        if value is None and self.allow_none:
            return None
        if value == 0 and not isinstance(value, bool) and self.zero:
            raise TraitError(self.zero)
        return super().validate(obj, value)

    def _parse(self, text: str) -> int | None:
        if text.strip().lower() == "never":
            if self.never == "":
                raise TraitError('"never" has no meaning here; write a number of seconds')
            return self.never  # type: ignore[return-value]  # "" was excluded
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            word = "" if self.never == "" else ', or "never"'
            raise TraitError(f"{text[:80]!r}: {error}{word}") from None
        if seconds != int(seconds):
            raise TraitError(f"{text[:80]!r} is not a whole number of seconds")
        return int(seconds)
