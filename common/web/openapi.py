"""The parts that the OpenAPI descriptions of all services share. Pure."""

from typing import Any

#: The body of every error response, as common.web.error_pages creates it.
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["status", "message"],
    "properties": {
        "status": {"type": "integer"},
        "message": {"type": "string"},
        "problems": {"type": "array", "items": {"type": "string"}},
        "error_id": {"type": "string", "description": "Identifies the error in the log."},
    },
}


def document(
    service: str,
    info: dict[str, str],
    prefix: str,
    paths: dict[str, Any],
    components: dict[str, Any],
) -> dict[str, Any]:
    """The OpenAPI description of a service's API below ``prefix``.

    Adds the security schemes to ``components``: a Hub token, or a browser's cookie, which needs the
    XSRF token for requests that change something.
    """
    return {
        "openapi": "3.1.0",
        "info": info,
        "servers": [{"url": prefix.rstrip("/")}],
        "security": [{"token": []}, {"cookie": [], "xsrf": []}, {"cookie": []}],
        "paths": paths,
        "components": {**components, "securitySchemes": _security_schemes(service)},
    }


def _security_schemes(service: str) -> dict[str, Any]:
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
            "description": "Set by signing in. Named after the OAuth client.",
        },
        "xsrf": {"type": "apiKey", "in": "header", "name": "X-XSRFToken"},
    }
