"""Which versions of nbgrader this project's queries are known to agree with.

The contract tests (tests/formgrader_proxy/gradebook/contract) compare every answer with nbgrader's
own. A version is added here after they have passed with it.
"""

from importlib.metadata import version as installed

KNOWN = frozenset({"0.9.5", "0.9.6"})


def agrees(version: str | None = None) -> bool:
    """Whether a version of nbgrader, by default the installed one, gives the same answers."""
    return (version or installed("nbgrader")) in KNOWN


def agreement() -> str:
    """A sentence for ``check-courses`` about the installed version."""
    version = installed("nbgrader")
    if agrees(version):
        return f"nbgrader {version}, read quickly"
    return (
        f"nbgrader {version} has not been compared with this version of the service, so its own"
        f" queries are used, which are slow for large classes. Known: {', '.join(sorted(KNOWN))}"
    )
