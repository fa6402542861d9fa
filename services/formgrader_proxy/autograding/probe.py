"""Prints the mechanism that isolates a course's submissions, or why there is none.

``check-courses`` runs ``python -I -m services.formgrader_proxy.autograding.probe`` as the course's
account and in its directory, because the mechanisms that work differ between accounts. Standard
input is a course's settings as JSON; the output is one JSON object, ``{"mechanism": name or null,
"reason": text}``.
"""

import json
import os
import sys

from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.sandbox import software
from services.formgrader_proxy.sandbox.launch import refuse_software
from services.formgrader_proxy.sandbox.mechanisms import SandboxUnavailable, choose


def main() -> None:
    """Read, try and print."""
    settings = AutogradingSettings.from_json(json.load(sys.stdin))
    try:
        mechanism, reason = str(choose(settings.sandbox)), ""
        if settings.isolated:
            found = software.find([sys.executable], (), network=settings.sandbox.network)
            refuse_software(os.path.realpath("."), found)
    except SandboxUnavailable as error:
        mechanism, reason = "", str(error)
    print(json.dumps({"mechanism": mechanism or None, "reason": reason}))


if __name__ == "__main__":
    main()
