"""The listening socket of a formgrader."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from services.formgrader_proxy.upstream.process.listener import Listener


def connect(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    try:
        client.connect(path)
    except OSError:
        client.close()
        raise
    return client


def test_the_process_that_has_the_descriptor_serves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of it is left in the file system."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Listener() as listener:
        assert list(tmp_path.iterdir()) == []
        served = socket.socket(fileno=os.dup(listener.fileno()))
        listener.close_socket()
        with served, connect(listener.path) as client:
            served.settimeout(10)
            accepted, _ = served.accept()
            with accepted:
                accepted.sendall(b"hello")
                assert client.recv(10) == b"hello"


def test_when_every_process_has_closed_it_connecting_fails() -> None:
    """At once, instead of waiting for a server that is gone."""
    with Listener() as listener:
        listener.close_socket()
        with pytest.raises(ConnectionRefusedError):
            connect(listener.path)


def test_after_the_end_it_has_no_address() -> None:
    """Closing it twice does nothing."""
    listener = Listener()
    path = listener.path
    listener.close()
    listener.close()
    with pytest.raises(OSError, match="No such file"):
        connect(path)


def test_a_replaced_socket_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of the same account was quicker: it put its own socket in this place."""
    with socket.socket(socket.AF_UNIX) as foreign:
        original = os.open

        def replaced(path: str, flags: int, *rest: int, dir_fd: int | None = None) -> int:
            if flags & os.O_PATH:
                os.unlink(path)
                foreign.bind(path)
                foreign.listen()
            return original(path, flags, *rest, dir_fd=dir_fd)

        monkeypatch.setattr(os, "open", replaced)
        with pytest.raises(BlockingIOError):
            Listener()
