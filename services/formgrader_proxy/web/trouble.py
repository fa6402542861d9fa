"""Why a formgrader does not run, in a sentence for the user who sees it."""

from services.formgrader_proxy.access import Role
from services.formgrader_proxy.upstream.formgrader import Formgrader


def trouble_of(formgrader: Formgrader, role: Role) -> str | None:
    """A phrase such as "it exited with code 1", or sentences if the course itself is broken.

    Those are detailed for instructors and administrators only.
    """
    finding = formgrader.finding
    if finding is None:
        return formgrader.trouble
    return finding.text if role >= Role.INSTRUCTOR else finding.mild


def sentence(trouble: str | None) -> str:
    """The result of :func:`trouble_of` as a sentence."""
    if not trouble or trouble[-1] in ".)":
        return trouble or ""
    return f"The formgrader is not running: {trouble}."
