"""The socket of a formgrader: without a name, so nothing but this service can reach it.

This service binds and listens, and passes the descriptor on. The name in the file system exists
for a moment only. Afterwards this service connects through ``/proc/self/fd`` to the inode, which
it holds open (open(2), ``O_PATH``). No other process can connect to the socket, remove it or put
another in its place, not even one of the same account: :func:`common.prctl.hide_process` closes
``/proc/<pid>/fd`` to them.
"""

import os
import socket
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

#: Connections that wait until the formgrader accepts them, while it autogrades.
BACKLOG = 1024


class Listener:
    """A listening socket, and the address under which this process reaches it."""

    def __init__(self) -> None:
        """:raises OSError: it cannot be made, or another process replaced it meanwhile"""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._inode = -1
        try:
            with tempfile.TemporaryDirectory(prefix="formgrader-") as directory:
                path = str(Path(directory) / "socket")
                self._socket.bind(path)
                self._socket.listen(BACKLOG)
                self._inode = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
            self._check()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        self.close()

    @property
    def path(self) -> str:
        """The path to connect to, for this process only, until :meth:`close`."""
        return f"/proc/self/fd/{self._inode}"

    @property
    def url(self) -> str:
        """The path as a URL."""
        return f"http+unix://{quote(self.path, safe='')}"

    def fileno(self) -> int:
        """The descriptor of the listening socket, to be passed on."""
        return self._socket.fileno()

    def close_socket(self) -> None:
        """Leave the socket to the formgrader: once that has closed it too, connecting fails."""
        self._socket.close()

    def close(self) -> None:
        """Close everything."""
        self._socket.close()
        if self._inode >= 0:
            os.close(self._inode)
            self._inode = -1

    def _check(self) -> None:
        """A connection through the inode arrives at the socket, and it is this process's own.

        The directory belongs to this account, so another process of it could have been quicker.
        """
        self._socket.setblocking(False)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.setblocking(False)
            client.connect(self.path)
            accepted, _ = self._socket.accept()
            with accepted:
                peer = accepted.getsockopt(
                    socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
                )
        if struct.unpack("3i", peer)[0] != os.getpid():
            raise ConnectionRefusedError("another process used the formgrader's socket")
