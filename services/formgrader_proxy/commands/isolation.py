"""How the submissions of a course are isolated, tried as the account that runs its formgrader."""

from pathlib import Path

from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.commands.as_account import NotRun, run_as_account

_MODULE = "services.formgrader_proxy.autograding.probe"
#: Seconds for trying all mechanisms, which takes less than one.
_SECONDS = 60


def isolation(directory: Path, user: str | None, settings: AutogradingSettings) -> str:
    """A sentence for ``check-courses``: the mechanism, or why autograding is refused."""
    if not settings.isolated:
        return 'none (sandbox = "none"): the code of submissions can read and change all grades'
    try:
        found = run_as_account(
            _MODULE,
            settings.to_json(),
            directory,
            user,
            kind=dict[str, str | None],
            seconds=_SECONDS,
        )
    except NotRun as error:
        return f"unknown, because it could not be tried: {error}"
    if found["mechanism"] is None:
        return f"autograding is refused. {found['reason']}"
    return str(found["mechanism"])
