"""Serve one course's formgrader: COURSE_ID in /srv/course, below BASE_URL, with a token.

Starts as root to own the course's folder where it is new, then goes on as the course's account
(COURSE_UID, 65533 by itself). The token, /run/secrets/grading_token, is read before and reaches
the server by its standard input: what students' code can read has no secret in it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

COURSE = Path("/srv/course")
TOKEN = Path("/run/secrets/grading_token")
CONFIG = """c = get_config()
c.Exchange.root = "/srv/nbgrader/exchange"
c.CourseDirectory.course_id = {course_id!r}
"""


def main() -> None:
    """Start the server and wait for its end."""
    try:
        course_id, base_url = os.environ["COURSE_ID"], os.environ["BASE_URL"]
        token = TOKEN.read_text(encoding="utf-8").strip()
    except KeyError as error:
        sys.exit(f"{error.args[0]} is not set.")
    except OSError as error:
        sys.exit(f"The token {TOKEN} cannot be read: {error.strerror}.")
    uid = int(os.environ.get("COURSE_UID", "65533"))
    if os.getuid() == 0:
        if COURSE.stat().st_uid == 0:
            os.chmod(COURSE, 0o700)
            os.chown(COURSE, uid, uid)
        with open("/etc/passwd", "r+", encoding="utf-8") as file:
            if not any(f":x:{uid}:" in line for line in file):
                file.write(f"course:x:{uid}:{uid}::/tmp/course:/usr/sbin/nologin\n")
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    os.umask(0o022)  # the exchange is read by students
    os.makedirs("/tmp/course", exist_ok=True)  # noqa: S108 - of this container alone
    os.environ.update(HOME="/tmp/course", USER="course", LOGNAME="course")  # noqa: S108 - as above
    os.chdir(COURSE)
    config = COURSE / "nbgrader_config.py"
    if not config.exists():
        config.write_text(CONFIG.format(course_id=course_id), encoding="utf-8")
    start = {
        "course_id": course_id,
        "base_url": base_url,
        "address": "0.0.0.0",  # noqa: S104 - only the formgrader service is in its network
        "port": 8000,
        "token": token,
        "parent": os.getpid(),
    }
    words = [sys.executable, "-I", "-m", "services.formgrader_proxy.formgrader_server"]
    server = subprocess.Popen(words, stdin=subprocess.PIPE)  # noqa: S603 - words of ours
    assert server.stdin is not None  # noqa: S101 - it was asked for above
    server.stdin.write(json.dumps(start).encode())
    server.stdin.close()
    sys.exit(server.wait())


if __name__ == "__main__":
    main()
