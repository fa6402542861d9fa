"""The configuration of docker/'s hub: what stands in .env and secrets/, and files of your own.

Whatever JupyterHub can be told may stand in files in /etc/classroom/hub.d/*.py, which are read
after this, in the order of their names, with ``c`` as here.
"""

import os
import sys
from pathlib import Path

from classroom_hub.configure import configure
from common.errors import ConfigError

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub gives it

try:
    # As long as Docker waits for the hub itself to be healthy, less the seconds that it starts in.
    configure(c, os.environ, Path("/run/secrets"), Path("/etc/classroom"), patience=60)
except ConfigError as error:
    sys.exit("\n".join(["The hub does not start:", *(f"- {each}" for each in error.problems)]))

for path in sorted(Path("/etc/classroom/hub.d").glob("*.py")):
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"))  # noqa: S102 - the admin's own
