"""Serves the formgrader of the course COURSE_ID in the folder COURSE, below BASE_URL.

If it starts as root, it takes ownership of a new course folder and switches to the course's account
(COURSE_UID, default 65533); otherwise it keeps its account. The token, grading_token in the folder
SECRETS, is passed to the server through standard input, so that students' code does not inherit it.
The image's folder /opt/classroom/secrets can be opened only by root. EXCHANGE is nbgrader's
exchange, which is created if it does not exist. With FIREWALL=yes, the container can answer
connections but not open any; this needs a start as root and the capability NET_ADMIN. SANDBOX,
SANDBOX_NETWORK and SANDBOX_LIMITS (a JSON object) are the keys sandbox, sandbox_network and limits
of a course; see docs/formgrader.md.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common.prctl import hide_process
from services.formgrader_proxy.autograding.settings import AutogradingSettings, read_settings

COURSE = Path(os.environ.get("COURSE", "/srv/course"))
EXCHANGE = Path(os.environ.get("EXCHANGE", "/srv/nbgrader/exchange"))
TOKEN = Path(os.environ.get("SECRETS", "/run/secrets")) / "grading_token"
#: Only the formgrader service shares this container's network.
ADDRESS = os.environ.get("ADDRESS", "0.0.0.0")  # noqa: S104 - as above
PORT = os.environ.get("PORT", "8000")
NFT = "/usr/sbin/nft"
#: Docker's internal networks still reach every address on which the machine itself listens.
RULES = """
table inet course {
  chain output {
    type filter hook output priority filter; policy drop;
    oifname "lo" accept
    ct state established,related accept
  }
}
"""
CONFIG = """c = get_config()
c.Exchange.root = {exchange!r}
c.CourseDirectory.course_id = {course_id!r}
"""


def autograding() -> AutogradingSettings:
    """The settings for autograding in the environment.

    :raises SystemExit: with all problems, one per line
    """
    found: list[str] = []
    table: dict[str, Any] = {}
    if text := os.environ.get("SANDBOX"):
        table["sandbox"] = text
    if text := os.environ.get("SANDBOX_NETWORK"):
        table["sandbox_network"] = {"true": True, "false": False}.get(text.lower(), text)
    if text := os.environ.get("SANDBOX_LIMITS"):
        try:
            table["limits"] = json.loads(text)
        except ValueError:
            found.append('SANDBOX_LIMITS: use a JSON object such as {"memory_mb": 4096}')
    names = {"limits": "SANDBOX_LIMITS"}
    settings = read_settings(
        table, lambda key, what: found.append(f"{names.get(key, key.upper())}: {what}")
    )
    if found:
        sys.exit("\n".join(found))
    return settings


def number(name: str, text: str, most: int) -> int:
    """The number in an environment variable. :raises SystemExit: it is none from 0 to ``most``"""
    if not (text.isascii() and text.isdigit() and int(text) <= most):
        sys.exit(f"{name}: use a whole number from 0 to {most}")
    return int(text)


def load_firewall() -> None:
    """Block all new outgoing connections of this container; exit if this fails."""
    words = [NFT, "-f", "-"]
    ran = subprocess.run(  # noqa: S603 - fixed program
        words, input=RULES, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        reason = ran.stderr.strip().partition("\n")[0]
        sys.exit(
            f"Cannot set up the firewall of this course ({reason}). It needs a start as root,"
            " the capability NET_ADMIN, and nf_tables in the kernel. COURSES_FIREWALL=no"
            " disables it."
        )


def warn_of_readable_token() -> None:
    """Report a token that the course's account, which executes submissions, can read."""
    if os.access(TOKEN, os.R_OK):
        print(
            f"WARNING: the account that executes submissions can read the token {TOKEN}. Mount it"
            " below /opt/classroom/secrets, as the current compose.yaml does, and set SECRETS.",
            file=sys.stderr,
            flush=True,
        )


def main() -> None:
    """Start the server and wait until it exits."""
    try:
        course_id, base_url = os.environ["COURSE_ID"], os.environ["BASE_URL"]
        token = TOKEN.read_text(encoding="utf-8").strip()
    except KeyError as error:
        sys.exit(f"{error.args[0]} is not set.")
    except OSError as error:
        sys.exit(f"Cannot read the token {TOKEN}: {error.strerror}.")
    settings = autograding()
    uid = number("COURSE_UID", os.environ.get("COURSE_UID", "65533"), 2**31 - 1)
    port = number("PORT", PORT, 65535)
    if not COURSE.is_dir():
        sys.exit(f"COURSE: {COURSE} is not a folder. Mount the volume of the course there.")
    if os.environ.get("FIREWALL") == "yes":
        load_firewall()
    if os.getuid() == 0 and uid != 0:
        if COURSE.stat().st_uid == 0:
            os.chmod(COURSE, 0o700)
            os.chown(COURSE, uid, uid)
        elif COURSE.stat().st_uid != uid:
            owner = COURSE.stat().st_uid
            sys.exit(
                f"{COURSE} belongs to uid {owner}, but COURSE_UID is {uid}. Set COURSE_UID={owner}"
                " in the environment of this container."
            )
        with open("/etc/passwd", "r+", encoding="utf-8") as file:
            if not any(f":x:{uid}:" in line for line in file):
                file.write(f"course:x:{uid}:{uid}::/tmp/course:/usr/sbin/nologin\n")
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        warn_of_readable_token()
    hide_process()  # submissions run under the same account, and this process knows the token
    os.umask(0o022)  # students read the exchange
    home = Path(tempfile.gettempdir()) / "course"
    home.mkdir(exist_ok=True)
    os.environ.update(HOME=str(home), USER="course", LOGNAME="course")
    if not EXCHANGE.exists():
        EXCHANGE.mkdir(exist_ok=True)
        EXCHANGE.chmod(0o1777)  # all students can submit, but not remove other files
    os.chdir(COURSE)
    config = COURSE / "nbgrader_config.py"
    if not config.exists():
        text = CONFIG.format(course_id=course_id, exchange=str(EXCHANGE))
        config.write_text(text, encoding="utf-8")
    start = {
        "course_id": course_id,
        "base_url": base_url,
        "exchange": str(EXCHANGE),
        "address": ADDRESS,
        "port": port,
        "token": token,
        "parent": os.getpid(),
        "autograding": settings.to_json(),
    }
    words = [sys.executable, "-I", "-m", "services.formgrader_proxy.upstream.server"]
    server = subprocess.Popen(words, stdin=subprocess.PIPE)  # noqa: S603 - fixed arguments
    # The first process of a container ignores signals that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    assert server.stdin is not None  # noqa: S101 - requested above
    server.stdin.write(json.dumps(start).encode())
    server.stdin.close()
    sys.exit(server.wait())


if __name__ == "__main__":
    main()
