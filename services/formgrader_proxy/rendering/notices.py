"""Notices at the top of every page that change while the formgrader runs."""

from collections.abc import Callable

_sources: list[Callable[[], str]] = []


def add(source: Callable[[], str]) -> None:
    """Show what ``source`` returns, which is plain text, on each page; nothing if it is empty."""
    _sources.append(source)


def current() -> list[str]:
    """The notices of this moment."""
    return [source() for source in _sources]
