"""Users who are not counted: staff, bots and test accounts, as pages and API show them. Pure."""

from datetime import date
from typing import NamedTuple


class Uncounted(NamedTuple):
    """How many users of the hub or a group are not counted on the days of a page."""

    number: int = 0
    patterns: tuple[str, ...] = ()
    """Who is not counted, for viewers who may see everything."""
    unmatched: tuple[str, ...] = ()
    """Those of them that match nobody, with suggestions; for the same viewers."""
    since: date | None = None
    """If the exclusion does not hold from the first of the days: the day from which it does."""

    @property
    def included(self) -> str:
        """What includes them on the whole hub, whose machines must run their servers, too."""
        return "Figures about running servers and starts of servers include theirs."

    @property
    def listed(self) -> str:
        """The patterns in words: ``admin, bot-*, group staff``."""
        return ", ".join(one.replace("group:", "group ", 1) for one in self.patterns)

    def shown_to(self, *, everything: bool) -> "Uncounted":
        """What a viewer may see of it: graders see the number only, and the day."""
        return self if everything else self._replace(patterns=(), unmatched=())
