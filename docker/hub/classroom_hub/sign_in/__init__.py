"""Sign-in with any authenticator, restricted to the users on the roster."""

from classroom_hub.sign_in.authenticators import (
    GOOGLE,
    SHARED_PASSWORD,
    SignIn,
    configure_sign_in,
)

__all__ = ["GOOGLE", "SHARED_PASSWORD", "SignIn", "configure_sign_in"]
