"""Checks one course and prints the findings as JSON.

``check-courses`` runs ``python -I -B -m services.formgrader_proxy.course_check`` as the course's
account. Standard input is one JSON object: ``{"course_id", "directory", "db_url", "db_url_file"}``.
The course's nbgrader_config.py is executed, so its output is discarded.
"""

import json
import os
import sys

from services.formgrader_proxy.course_check.examine import Subject, examine
from services.formgrader_proxy.course_check.findings import Finding, to_json
from services.formgrader_proxy.course_check.time_limit import limit, too_slow

#: Seconds for everything.
SECONDS = 45


def main() -> None:
    """Read, check and print."""
    start = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)

    def reply(findings: list[Finding]) -> None:
        answer.write(to_json(findings))
        answer.flush()

    limit(SECONDS, lambda: reply([too_slow(start["directory"], SECONDS)]))
    reply(examine(Subject.of(start, start["directory"]), names=True))
    os._exit(0)  # whatever nbgrader_config.py started in threads


if __name__ == "__main__":
    main()
