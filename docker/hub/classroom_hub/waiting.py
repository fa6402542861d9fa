"""Wait at the hub's start for what it cannot start without: nothing orders a swarm's services."""

import socket
import sys
import time
from collections.abc import Callable

from common.errors import ConfigError

#: Seconds between two tries, and the longest that one may take.
_PAUSE, _LONGEST_TRY = 1.0, 5.0
#: Seconds after which what is waited for is told again.
_TELL_AGAIN = 15.0


def wait_for(
    what: str,
    host: str,
    port: int,
    seconds: float,
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> None:
    """Wait until something listens there; what is waited for is told in the log.

    :raises ConfigError: nothing did within so many seconds
    """
    began = time.monotonic()
    told = -_TELL_AGAIN
    while True:
        try:
            socket.create_connection((host, port), _LONGEST_TRY).close()
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
        else:
            return
        waited = time.monotonic() - began
        where = f"{what} at {host}:{port}"
        if waited >= seconds:
            raise ConfigError(
                [
                    f"{where} did not answer within {seconds:.0f} s ({reason}): look at its log,"
                    " with docker service ps or docker compose ps"
                ]
            )
        if waited - told >= _TELL_AGAIN:
            told = waited
            tell(f"The hub waits for {where}, up to {seconds:.0f} s: {reason}")
        time.sleep(_PAUSE)
