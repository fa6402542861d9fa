"""Says what to do where a sign-in begins at another address than it comes back to.

Whoever signs in elsewhere (Google) is sent back to the redirect address, which is made of
PUBLIC_URL. Who opened the hub by another name has the cookie of their sign-in there, and Google
knows only redirect addresses that stand in its console: neither error names its cause.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from tornado import web

#: The addresses that were told of, so that a log has one line of each.
_TOLD = 100


def host_of(address: str) -> str:
    """The host of an address or of a Host header, with its port unless that is the usual one."""
    netloc = urlsplit(address).netloc if "://" in address else address
    return re.sub(r":(80|443)$", "", netloc.rpartition("@")[2].lower())


def begins(base: type[Any]) -> type[Any]:
    """The login handler ``base`` of an OAuthenticator, which tells the log of other addresses."""
    told: set[str] = set()

    class LoginHandler(base):  # type: ignore[misc]  # the base is chosen when the Hub starts
        """Sends people to where they sign in."""

        def get(self) -> Any:
            redirect = self.authenticator.get_callback_url(self)
            here, there = host_of(self.request.host), host_of(redirect)
            if here != there and here not in told and len(told) < _TOLD:
                told.add(here)
                self.log.warning(
                    "somebody signs in at %s and will be sent back to %s: open the hub as %s, or"
                    " correct PUBLIC_URL, and in Google's console the redirect URI, which is to"
                    " be %s letter by letter",
                    *(here, there, there, redirect),
                )
            return super().get()

    return LoginHandler


def returns(base: type[Any]) -> type[Any]:
    """The callback handler ``base`` of an OAuthenticator, which says where to begin anew."""

    class CallbackHandler(base):  # type: ignore[misc]  # as above
        """Takes in people who have signed in."""

        def check_state(self) -> None:
            """:raises web.HTTPError: this sign-in did not begin here"""
            try:
                super().check_state()
            except web.HTTPError as error:
                redirect = urlsplit(self.authenticator.get_callback_url(self))
                raise web.HTTPError(
                    error.status_code,
                    "This sign-in did not begin at this address, or the browser keeps no cookies:"
                    f" open {redirect.scheme}://{redirect.netloc}/ and sign in there."
                    f" ({error.log_message})",
                ) from None

    return CallbackHandler
