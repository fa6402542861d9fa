"""How the submissions of a course are isolated, tried as the account that runs its formgrader."""

import json
import os
import subprocess
import sys
from pathlib import Path

from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.upstream.process.launch import INHERITED
from services.formgrader_proxy.upstream.process.process import Account

_COMMAND = (sys.executable, "-I", "-m", "services.formgrader_proxy.autograding.probe")
#: Seconds for trying all mechanisms, which takes less than one.
_SECONDS = 60


def isolation(directory: Path, user: str | None, settings: AutogradingSettings) -> str:
    """A sentence for ``check-courses``: the mechanism, or why autograding is refused."""
    if not settings.isolated:
        return 'none (sandbox = "none"): the code of submissions can read and change all grades'
    try:
        account = Account.named(user)
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        done = subprocess.run(  # noqa: S603 - fixed arguments
            _COMMAND,
            input=json.dumps(settings.to_json()),
            capture_output=True,
            text=True,
            cwd=directory,
            env=environment | {"HOME": account.home, "USER": account.name},
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
            timeout=_SECONDS,
            check=True,
        )
        found = json.loads(done.stdout)
    except LookupError:
        return f'unknown, because there is no account "{user}"'
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"unknown, because it could not be tried: {_reason(error)}"
    if found["mechanism"] is None:
        return f"autograding is refused. {found['reason']}"
    return str(found["mechanism"])


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError) and error.stderr:
        return str(error.stderr).strip().splitlines()[-1]
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}"
    return str(error)
