"""Homes on a folder that machines share: made once, by the hub, for their owner alone."""

import hashlib
import os
import re
import shutil
from pathlib import Path
from urllib.parse import quote

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,199}")
_LONGEST = 200  # of the 255 bytes that a name may have


def folder_name(user: str) -> str:
    """The name of a user's folder: the user's own where it can be one, else percent-encoded."""
    if _PLAIN.fullmatch(user):
        return user
    quoted = quote(user, safe="")
    if len(quoted) <= _LONGEST:
        return f"%{quoted}"
    return f"%{quoted[:_LONGEST]}%{hashlib.sha256(user.encode()).hexdigest()[:32]}"


def make_home(homes: Path, user: str, uid: int, skeleton: Path | None = None) -> Path:
    """Make a home from the skeleton, mode 0700, owned by the uid; one that is there stays as it is.

    It appears complete or not at all, also when two hubs or a power cut come between.

    :raises PermissionError: the NFS server does not let this machine's root do it
    :raises OSError: the folder is away or full
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
