"""The settings of sign-in."""

from common.oauth.settings import OAuthSettings


def settings(redirect_path: str = "") -> OAuthSettings:
    """The settings of a service at /services/cull/."""
    return OAuthSettings(
        api_url="http://x",
        api_token="s3cret-token",
        client_id="service-cull",
        prefix="/services/cull/",
        access_scopes=frozenset(),
        redirect_path=redirect_path,
    )


def test_repr_hides_secrets() -> None:
    """The repr of the settings, which may be logged, contains neither token nor cookie secret."""
    made = settings()
    assert "s3cret" not in repr(made)
    assert repr(made.cookie_secret) not in repr(made)


def test_redirect_uri() -> None:
    """The callback is below the prefix unless another path is registered."""
    assert settings().redirect_uri == "/services/cull/oauth_callback"
    assert settings(redirect_path="/x/cb").redirect_uri == "/x/cb"


def test_cookie_secrets_differ() -> None:
    """Each settings object gets its own random cookie secret."""
    assert settings().cookie_secret != settings().cookie_secret
