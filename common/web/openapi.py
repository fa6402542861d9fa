"""What the OpenAPI descriptions of the services' JSON APIs have in common. Pure."""

from typing import Any

#: The answer to whatever went wrong, as common.web.error_pages gives it.
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["status", "message"],
    "properties": {
        "status": {"type": "integer"},
        "message": {"type": "string"},
        "problems": {"type": "array", "items": {"type": "string"}},
        "error_id": {"type": "string", "description": "To be found in the log."},
    },
}


def document(
    service: str,
    info: dict[str, str],
    prefix: str,
    paths: dict[str, Any],
    components: dict[str, Any],
) -> dict[str, Any]:
    """The description of the API that the service of this name has below ``prefix``.

    Its ``components`` get the ways to sign in: a token of the Hub's, or the cookie of a browser,
    which changes nothing without the XSRF token.
    """
    return {
        "openapi": "3.1.0",
        "info": info,
        "servers": [{"url": prefix.rstrip("/")}],
        "security": [{"token": []}, {"cookie": [], "xsrf": []}, {"cookie": []}],
        "paths": paths,
        "components": {**components, "securitySchemes": _sign_in(service)},
    }


def _sign_in(service: str) -> dict[str, Any]:
    return {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A Hub token that has access to this service.",
        },
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": f"service-{service}",
            "description": "Set by signing in; its name is the OAuth client's.",
        },
        "xsrf": {"type": "apiKey", "in": "header", "name": "X-XSRFToken"},
    }
