"""Who somebody is, and what signing in needs to be told."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from common.hub.tls import TLSFiles


@dataclass(frozen=True)
class Identity:
    """Who it is, as the Hub says. ``admin`` informs only: decide by scopes and groups."""

    name: str
    kind: Literal["user", "service"]
    admin: bool
    groups: frozenset[str]
    scopes: frozenset[str]

    @classmethod
    def of(cls, model: Mapping[str, Any]) -> "Identity":
        """The identity in the Hub's model of a token's owner."""
        return cls(
            name=str(model["name"]),
            kind="service" if model.get("kind") == "service" else "user",
            admin=model.get("admin") is True,
            groups=_texts(model.get("groups")),
            scopes=_texts(model.get("scopes")),
        )


@dataclass(frozen=True)
class OAuthSettings:
    """What signing in needs to know. Empty ``access_scopes`` let nobody in.

    prefix: where our pages are, with a slash at both ends; cookies stay below it.
    public_hub_url: ends in a slash; with a host only if browsers find the Hub on another one.
    redirect_path: as registered at the Hub; by default oauth_callback below the prefix.
    cache_seconds: how long the Hub's word on a token holds for reads.
    xsrf_cookie_readable: for pages whose scripts read ``_xsrf`` from document.cookie.
    cookie_secret: random by default, so a restart signs everybody in anew (without a password).
    cookie_host_prefix: cookies are named __Host-..., which puts them on the path /.
    cookie_options: more for all cookies, as JUPYTERHUB_COOKIE_OPTIONS; path and httponly are ours.
    """

    api_url: str
    api_token: str = field(repr=False)
    client_id: str
    prefix: str
    access_scopes: frozenset[str]
    public_hub_url: str = "/hub/"
    redirect_path: str = ""
    tls: "TLSFiles | None" = None
    cache_seconds: float = 30.0
    request_timeout: float = 10.0
    xsrf_cookie_readable: bool = False
    cookie_secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    cookie_host_prefix: bool = False
    cookie_options: Mapping[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=4096)
def allows(access_scopes: frozenset[str], scopes: frozenset[str]) -> bool:
    """Whether ``scopes`` hold one of ``access_scopes``, filters minded. None at all: nobody."""
    from jupyterhub.services.auth import check_scopes

    return bool(access_scopes) and bool(check_scopes(set(access_scopes), set(scopes)))


def _texts(value: object) -> frozenset[str]:
    if not isinstance(value, Iterable) or isinstance(value, str):
        return frozenset()
    return frozenset(one for one in value if isinstance(one, str))
