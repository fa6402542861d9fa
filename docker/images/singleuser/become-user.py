"""Switches to the user that the hub specifies, then runs the command.

NB_USER, NB_UID and NB_GID are the user's name, uid and gid. HOME is the home directory; a new one
that belongs to root is given to the user. CLASSROOM_MAY_REACH lists the host names that the server
may reach in its network; if it is empty or missing, there is no firewall. The command runs without
root's capabilities and cannot regain them through programs with the setuid bit.
"""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_FIREWALL = Path(__file__).with_name("firewall.py")
_NAME = re.compile(r"[^:\n/]{1,200}")
LOWEST_UID = 1000


def identity() -> tuple[str, int, int, str]:
    """Return the name, uid, gid and home; exit if they are not valid."""
    name = os.environ.get("NB_USER", "")
    home = os.environ.get("HOME", "")
    try:
        uid = int(os.environ["NB_UID"])
        gid = int(os.environ.get("NB_GID", uid))
    except (KeyError, ValueError):
        sys.exit("NB_UID and NB_GID must be numbers. The hub sets them.")
    if not _NAME.fullmatch(name) or min(uid, gid) < LOWEST_UID or not home.startswith("/"):
        sys.exit(f"NB_USER={name!r}, NB_UID={uid}, HOME={home!r} is not a valid user of a server.")
    return name, uid, gid, home


def add_account(name: str, uid: int, gid: int, home: str) -> None:
    """Add the user to /etc/passwd and /etc/group, for `whoami` and nbgrader."""
    for path, line in (
        ("/etc/passwd", f"{name}:x:{uid}:{gid}::{home}:/bin/bash\n"),
        ("/etc/group", f"{name}:x:{gid}:\n"),
    ):
        with open(path, "r+", encoding="utf-8") as file:
            known = [each.split(":") for each in file]
            if not any(words[0] == name or words[2] == str(uid) for words in known):
                file.write(line)


def take_home(home: str, uid: int, gid: int) -> None:
    """Give a new home to the user; exit if it belongs to another user."""
    path = Path(home)
    path.mkdir(parents=True, exist_ok=True)
    owner = path.stat().st_uid
    if owner == 0:
        os.chmod(path, 0o700)  # before chown: this process cannot change it afterwards
        os.chown(path, uid, gid)
    elif owner != uid:
        sys.exit(
            f"{home} belongs to uid {owner} instead of {uid}. Contact the administrator of the hub."
        )


def start_firewall(names: list[str]) -> None:
    """Block connections to all other hosts in the network; exit if this fails."""
    words = [sys.executable, "-I", "-S", str(_FIREWALL), *names]
    if names and subprocess.run(words, check=False).returncode:  # noqa: S603 - fixed program
        sys.exit(1)  # firewall.py has printed the reason


def main() -> None:
    """Switch to the user and run the command."""
    command = sys.argv[1:] or ["jupyterhub-singleuser"]
    name, uid, gid, home = identity()
    if os.getuid() == 0:
        start_firewall(os.environ.get("CLASSROOM_MAY_REACH", "").split())
        add_account(name, uid, gid, home)
        take_home(home, uid, gid)
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit("Cannot set no_new_privs: the kernel does not support it.")
    os.environ.update(USER=name, LOGNAME=name)
    os.chdir(home)
    os.umask(0o027)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
