"""Which parts of a service are not ready, and why. Served at ``ready`` by services with pages."""


class Readiness:
    """The parts that are not ready. A service is ready when there are none."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def set(self, part: str, reason: str | None) -> None:
        """Mark ``part`` (hub, database, pass, ...) as not ready for ``reason``; None: as ready."""
        if reason is None:
            self._reasons.pop(part, None)
        else:
            self._reasons[part] = reason

    def reasons(self) -> dict[str, str]:
        """The parts that are not ready, each with its reason."""
        return dict(self._reasons)
