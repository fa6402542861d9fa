"""Of whom it is not known whether they worked while nothing was observed. Pure.

A gap hides little: the first complete poll after it asks the Hub for everybody who was active since
the last one before it. Someone whom the Hub does not list was not there. Of someone whom it lists,
the recorder keeps that they were there, or that they started a server. Doubt remains where the Hub
cannot tell, or where no poll has asked it yet.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from services.stats.records import GAP, Poll


class Doubt(StrEnum):
    """Why it is not known whether a user worked in a gap."""

    AWAY = "away"
    """No complete poll has ended the gap yet."""
    SERVER = "server"
    """Their server ran when the gap began, and was stopped in it. The stop sets the user's time of
    activity, so that it does not show whether they worked before."""
    ACCOUNT = "account"
    """Their account was deleted and made again, which erases the time of activity."""
    LATER = "later"
    """They were at the Hub in a gap, but after the days in question: only their last time shows."""
    IMPORT = "import"
    """One of the polls at its ends is imported, or no longer kept: nobody compared the times."""


DOUBTS = {
    Doubt.AWAY: "nothing has been observed since the last complete poll",
    Doubt.SERVER: "their server was stopped while nothing was observed",
    Doubt.ACCOUNT: "their account was made again while nothing was observed",
    Doubt.LATER: "they were at the Hub in the same gap, but later",
    Doubt.IMPORT: "the records were imported, and have a gap",
}


class Gap(NamedTuple):
    """Time in which nothing was observed, between two complete polls."""

    start: datetime
    end: datetime
    interval: int
    """The configured seconds between polls."""
    compared: bool
    """Whether the second poll asked the Hub who was active since the first one."""


def gaps_between(polls: Sequence[Poll]) -> list[Gap]:
    """The gaps between complete polls, in order. An imported poll has no number of servers."""
    return [
        Gap(
            before.time,
            poll.time,
            poll.interval,
            compared=before.servers is not None and poll.servers is not None,
        )
        for before, poll in pairwise(polls)
        if (poll.time - before.time).total_seconds() > GAP * poll.interval
    ]
