"""Runs a module of this package in a course's directory, as the account of its formgrader.

For commands, which may run as root: they never open files in the directory themselves.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from services.formgrader_proxy.upstream.process.launch import INHERITED
from services.formgrader_proxy.upstream.process.process import Account


class NotRun(Exception):
    """The module could not be run, or failed. The text says why, without a full stop."""


def run_as_account(
    module: str, start: dict[str, Any], directory: Path, user: str | None, *, seconds: float
) -> Any:
    """The JSON that the module prints; ``start`` is its standard input.

    :raises NotRun: there is no such account, it failed, or it took longer than ``seconds``
    """
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    # nbgrader runs alembic by name. It is installed next to this Python.
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join((programs, environment.get("PATH", os.defpath)))
    try:
        account = Account.named(user)
        done = subprocess.run(  # noqa: S603 - fixed arguments
            (sys.executable, "-I", "-m", module),
            input=json.dumps(start),
            capture_output=True,
            text=True,
            cwd=directory,
            env=environment | {"PATH": path, "HOME": account.home, "USER": account.name},
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
            timeout=seconds,
            check=True,
        )
        return json.loads(done.stdout)
    except LookupError:
        raise NotRun(f'there is no account "{user}"') from None
    except subprocess.CalledProcessError as error:
        lines = str(error.stderr).strip().splitlines()
        raise NotRun(lines[-1] if lines else f"it ended with status {error.returncode}") from None
    except subprocess.TimeoutExpired:
        raise NotRun(f"it took longer than {seconds:.0f} s") from None
    except OSError as error:
        raise NotRun(f"{error.strerror}: {error.filename}") from None
    except ValueError:
        raise NotRun("it printed something unexpected") from None
