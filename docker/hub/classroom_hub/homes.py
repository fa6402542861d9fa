"""Creates home directories in a folder that all machines share."""

import hashlib
import os
import re
import shutil
from pathlib import Path
from urllib.parse import quote

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,199}")
_MAX_LENGTH = 200  # a file name may have at most 255 bytes


def folder_name(user: str) -> str:
    """Return a user's folder name: the user name, percent-encoded if it has special characters."""
    if _PLAIN.fullmatch(user):
        return user
    quoted = quote(user, safe="")
    if len(quoted) <= _MAX_LENGTH:
        return f"%{quoted}"
    return f"%{quoted[:_MAX_LENGTH]}%{hashlib.sha256(user.encode()).hexdigest()[:32]}"


def make_home(homes: Path, user: str, uid: int, skeleton: Path | None = None) -> Path:
    """Create a home directory from the skeleton with mode 0700, owned by ``uid``.

    An existing home is not changed. A new one appears completely or not at all, even if two hubs
    create it at once or a machine loses power.

    :raises PermissionError: the NFS server does not grant root access to this machine
    :raises OSError: the folder is unavailable or full
    """
    home = homes / folder_name(user)
    if home.is_dir():
        return home
    unfinished = homes / f".new-{uid}-{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    if skeleton is not None and skeleton.is_dir():
        shutil.copytree(skeleton, unfinished, symlinks=True)
    else:
        unfinished.mkdir()
    for folder, folders, files in os.walk(unfinished):
        for name in (*folders, *files):
            os.chown(os.path.join(folder, name), uid, uid, follow_symlinks=False)
    unfinished.chmod(0o700)
    os.chown(unfinished, uid, uid)
    try:
        unfinished.rename(home)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not home.is_dir():
            raise
    return home
