"""Become the user that the hub names, then do what was to be done.

NB_USER: the name; NB_UID, NB_GID: the numbers; HOME: the home, which is made ours where it is new
and still root's. CLASSROOM_MAY_REACH: the names of whom it may connect to in its network; empty or
missing: everybody. As root is needed for that alone, nothing of it is left after: no capability,
and none to be had by a program with the setuid bit.
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


def who() -> tuple[str, int, int, str]:
    """Name, uid, gid and home. Ends the program where they make no sense."""
    name = os.environ.get("NB_USER", "")
    home = os.environ.get("HOME", "")
    try:
        uid = int(os.environ["NB_UID"])
        gid = int(os.environ.get("NB_GID", uid))
    except (KeyError, ValueError):
        sys.exit("NB_UID and NB_GID must be numbers: the hub gives them.")
    if not _NAME.fullmatch(name) or min(uid, gid) < LOWEST_UID or not home.startswith("/"):
        sys.exit(f"NB_USER={name!r}, NB_UID={uid}, HOME={home!r}: that is no user for a server.")
    return name, uid, gid, home


def add_account(name: str, uid: int, gid: int, home: str) -> None:
    """Give the numbers a name, so that `whoami` and nbgrader know it."""
    for path, line in (
        ("/etc/passwd", f"{name}:x:{uid}:{gid}::{home}:/bin/bash\n"),
        ("/etc/group", f"{name}:x:{gid}:\n"),
    ):
        with open(path, "r+", encoding="utf-8") as file:
            known = [each.split(":") for each in file]
            if not any(words[0] == name or words[2] == str(uid) for words in known):
                file.write(line)


def take_home(home: str, uid: int, gid: int) -> None:
    """Own a home that is new; one that belongs to somebody else ends the program."""
    path = Path(home)
    path.mkdir(parents=True, exist_ok=True)
    owner = path.stat().st_uid
    if owner == 0:
        os.chmod(path, 0o700)  # while it is root's: there is no capability to do so after
        os.chown(path, uid, gid)
    elif owner != uid:
        sys.exit(f"{home} belongs to the uid {owner}, not to {uid}: ask who runs the hub.")


def close_the_ways(names: list[str]) -> None:
    """Close the ways to all neighbours but these; where that fails the program ends."""
    words = [sys.executable, "-I", "-S", str(_FIREWALL), *names]
    if names and subprocess.run(words, check=False).returncode:  # noqa: S603 - words of ours
        sys.exit(1)  # it said why


def main() -> None:
    """Become the user and run the command."""
    command = sys.argv[1:] or ["jupyterhub-singleuser"]
    name, uid, gid, home = who()
    if os.getuid() == 0:
        close_the_ways(os.environ.get("CLASSROOM_MAY_REACH", "").split())
        add_account(name, uid, gid, home)
        take_home(home, uid, gid)
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit("The kernel does not take away the right to new privileges.")
    os.environ.update(USER=name, LOGNAME=name)
    os.chdir(home)
    os.umask(0o027)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
