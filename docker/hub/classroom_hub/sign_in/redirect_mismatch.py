"""Explains sign-ins that fail because the hub was opened at a different address than PUBLIC_URL.

An OAuth provider such as Google redirects users to the redirect URI, which is derived from
PUBLIC_URL. A user who opened the hub under another host name has the sign-in cookie there, and
Google accepts only redirect URIs that are registered in its console. Neither error names its cause.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from tornado import web

#: Maximum number of host names that are logged; each is logged once.
_MAX_LOGGED = 100


def host_of(address: str) -> str:
    """Return the host of a URL or Host header, with the port unless it is 80 or 443."""
    netloc = urlsplit(address).netloc if "://" in address else address
    return re.sub(r":(80|443)$", "", netloc.rpartition("@")[2].lower())


def login_handler(base: type[Any]) -> type[Any]:
    """Extend an OAuthenticator's login handler to log sign-ins at an unexpected host."""
    logged: set[str] = set()

    class LoginHandler(base):  # type: ignore[misc]  # the base is chosen when the Hub starts
        """Redirects users to the OAuth provider."""

        def get(self) -> Any:
            redirect = self.authenticator.get_callback_url(self)
            opened, expected = host_of(self.request.host), host_of(redirect)
            if opened != expected and opened not in logged and len(logged) < _MAX_LOGGED:
                logged.add(opened)
                self.log.warning(
                    "A user signs in at %s but will be redirected to %s: open the hub at %s, or"
                    " correct PUBLIC_URL and set the redirect URI in Google's console to"
                    " exactly %s",
                    *(opened, expected, expected, redirect),
                )
            return super().get()

    return LoginHandler


def callback_handler(base: type[Any]) -> type[Any]:
    """Extend an OAuthenticator's callback handler to say at which address to sign in."""

    class CallbackHandler(base):  # type: ignore[misc]  # as above
        """Receives users whom the OAuth provider redirects back to the Hub."""

        def check_state(self) -> None:
            """:raises web.HTTPError: the sign-in did not start at this address"""
            try:
                super().check_state()
            except web.HTTPError as error:
                redirect = urlsplit(self.authenticator.get_callback_url(self))
                raise web.HTTPError(
                    error.status_code,
                    "This sign-in did not start at this address, or your browser blocks cookies:"
                    f" open {redirect.scheme}://{redirect.netloc}/ and sign in there."
                    f" ({error.log_message})",
                ) from None

    return CallbackHandler
