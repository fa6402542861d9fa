"""Which mechanisms work on this machine, and the one that a course gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from services.formgrader_proxy.sandbox.settings import Mechanism, SandboxSettings


class SandboxUnavailable(Exception):
    """Code cannot be isolated here. The message says why and what to do."""


@dataclass(frozen=True)
class Availability:
    """For each mechanism that isolates: None if it works, otherwise the reason why not."""

    reasons: Mapping[Mechanism, str | None]

    def usable(self, mechanism: Mechanism) -> bool:
        """Whether it works here. "none" always does."""
        return mechanism is Mechanism.NONE or self.reasons[mechanism] is None

    @property
    def best(self) -> Mechanism | None:
        """The best mechanism that isolates; None if there is none."""
        isolating = (Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK)
        return next((one for one in isolating if self.usable(one)), None)


@cache
def available() -> Availability:
    """Try each mechanism in a child process, once. Takes about 0.2 s."""
    return Availability(dict.fromkeys((Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK), "not built yet"))


def choose(settings: SandboxSettings) -> Mechanism:
    """The mechanism that a course gets.

    :raises SandboxUnavailable: the mechanism it asks for, or every one, does not work here
    """
    wanted = settings.mechanism
    if wanted is Mechanism.NONE:
        return wanted
    found = available()
    if wanted is None:
        if found.best is not None:
            return found.best
        reasons = "; ".join(f"{name}: {why}" for name, why in found.reasons.items())
    elif found.usable(wanted):
        return wanted
    else:
        reasons = f"{wanted}: {found.reasons[wanted]}"
    raise SandboxUnavailable(
        f"Submissions cannot be isolated on this machine ({reasons}). Install bubblewrap, or run a "
        'kernel with Landlock (Linux 5.13 or newer). With sandbox = "none" the code of submissions '
        "runs without isolation and can change all grades."
    )
