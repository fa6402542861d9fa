"""What is looked at of a change's body: the names of its fields, for the audit."""

import json

from aiohttp import web

#: A grade or a comment is small; what is larger is none.
MOST_BYTES = 256 * 1024


async def small_body(request: web.Request) -> bytes | None:
    """The body, None where it is too large."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def field_names(body: bytes) -> tuple[str, ...]:
    """The names of a JSON object's fields that look like nbgrader's; never a value."""
    try:
        value = json.loads(body)
    except ValueError:
        return ()
    names = value if isinstance(value, dict) else {}
    return tuple(sorted(name for name in names if name.isidentifier() and len(name) <= 40))[:20]
