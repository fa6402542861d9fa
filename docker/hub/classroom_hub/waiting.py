"""Waits at startup for the database and the proxy, because Swarm does not order services."""

import socket
import sys
import time
from collections.abc import Callable

from common.errors import ConfigError

#: Seconds between two attempts, and the time limit of one attempt.
_INTERVAL_SECONDS, _ATTEMPT_SECONDS = 1.0, 5.0
#: Seconds between two log lines.
_LOG_SECONDS = 15.0


def _log_to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def wait_for(
    what: str,
    host: str,
    port: int,
    seconds: float,
    log: Callable[[str], None] = _log_to_stderr,
) -> None:
    """Wait until a TCP port accepts connections; log what the hub is waiting for.

    :raises ConfigError: the port did not accept a connection within ``seconds``
    """
    started = time.monotonic()
    logged = -_LOG_SECONDS
    while True:
        try:
            socket.create_connection((host, port), _ATTEMPT_SECONDS).close()
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
        else:
            return
        waited = time.monotonic() - started
        where = f"{what} at {host}:{port}"
        if waited >= seconds:
            raise ConfigError(
                [
                    f"{where} did not respond within {seconds:.0f} s ({reason}): check its log"
                    " and its state with docker service ps or docker compose ps"
                ]
            )
        if waited - logged >= _LOG_SECONDS:
            logged = waited
            log(f"Waiting for {where} (up to {seconds:.0f} s): {reason}")
        time.sleep(_INTERVAL_SECONDS)
