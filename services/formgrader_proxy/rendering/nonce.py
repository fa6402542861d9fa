"""The nonce of the response that is being rendered.

A page's scripts carry a random number that the response's Content-Security-Policy names, so the
browser runs these scripts and no others. The number is new for every response and is never passed
to a template as a variable: only the places that :mod:`.template_source` marks receive it.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: The response header with the nonce for the proxy, which removes it and writes the policy.
NONCE_HEADER = "Formgrader-Nonce"
#: The header's value for a response without scripts.
NO_SCRIPTS = "none"

_nonce: ContextVar[str] = ContextVar("nonce")


def new_nonce() -> str:
    """A random nonce with 128 bits."""
    return secrets.token_hex(16)


@contextmanager
def rendering_with(nonce: str) -> Iterator[None]:
    """Templates that are rendered inside give their scripts this nonce."""
    token = _nonce.set(nonce)
    try:
        yield
    finally:
        _nonce.reset(token)


def csp_nonce() -> str:
    """The nonce of the response that is being rendered.

    :raises LookupError: no response is being rendered, so no script may run
    """
    return _nonce.get()
