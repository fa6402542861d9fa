"""Which versions of nbgrader this project's queries are known to agree with.

The contract tests (tests/formgrader_proxy/gradebook/contract) compare every answer with nbgrader's
own. A version is added here after they have passed with it.
"""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

KNOWN = frozenset({"0.9.5", "0.9.6"})


def agrees(version: str | None = None) -> bool:
    """Whether a version of nbgrader, by default the installed one, gives the same answers."""
    return (version or installed("nbgrader")) in KNOWN


def agreement_warning() -> str:
    """A sentence for ``check-courses`` and the log; empty if there is nothing to warn of."""
    try:
        version = installed("nbgrader")
    except PackageNotFoundError:
        return ""  # check-courses reports that for each course
    if agrees(version):
        return ""
    return (
        f"nbgrader {version} is not one of the versions whose answers have been compared with this"
        f" service's ({', '.join(sorted(KNOWN))}), so its own queries are used, which are slow for"
        " large classes."
    )
