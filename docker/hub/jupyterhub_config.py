"""The hub's configuration, from .env, secrets/ and your own files in etc/hub.d/.

Put any other JupyterHub setting into /etc/classroom/hub.d/*.py. These files are loaded after this
one, in alphabetical order, and can use ``c`` as any jupyterhub_config.py does.
"""

import os
import sys
from pathlib import Path

from classroom_hub.configure import configure
from common.errors import ConfigError

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub gives it

try:
    # Docker's time limit for the hub's health check, less the time that the hub needs to start.
    configure(c, os.environ, Path("/run/secrets"), Path("/etc/classroom"), wait_seconds=60)
except ConfigError as error:
    sys.exit("\n".join(["The hub cannot start:", *(f"- {each}" for each in error.problems)]))

for path in sorted(Path("/etc/classroom/hub.d").glob("*.py")):
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"))  # noqa: S102 - the administrator's files
