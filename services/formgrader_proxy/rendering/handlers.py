"""nbgrader's request handlers, each with a nonce for the scripts of its response."""

from typing import Any

from nbgrader.server_extensions.formgrader.base import BaseHandler
from tornado.web import RequestHandler

from services.formgrader_proxy.rendering.api_errors import ApiErrors, is_api
from services.formgrader_proxy.rendering.creation import mixins
from services.formgrader_proxy.rendering.nonce import NONCE_HEADER, new_nonce, rendering_with


class _Nonce:
    """Mixed into a handler of nbgrader. A response has one nonce, and only if it has scripts."""

    __nonce: str | None = None

    def _own_nonce(self) -> str:
        if self.__nonce is None:
            self.__nonce = new_nonce()
        return self.__nonce

    def render(self, name: str, **values: Any) -> str:
        """nbgrader's function, which returns the page instead of sending it."""
        with rendering_with(self._own_nonce()):
            return str(super().render(name, **values))  # type: ignore[misc]

    @property
    def exporter(self) -> "_Exporter":
        """What renders submissions."""
        return _Exporter(super().exporter, self._own_nonce())  # type: ignore[misc]

    def finish(self, chunk: Any = None) -> Any:
        """Send the nonce to the proxy, which removes it."""
        if self.__nonce is not None and not self._headers_written:  # type: ignore[attr-defined]
            self.set_header(NONCE_HEADER, self.__nonce)  # type: ignore[attr-defined]
        return super().finish(chunk)  # type: ignore[misc]

    def compute_etag(self) -> None:
        """None: no two pages are equal, and a page from a cache would have an old nonce."""


class _Exporter:
    """An exporter that renders with one response's nonce."""

    def __init__(self, exporter: Any, nonce: str) -> None:
        self._exporter = exporter
        self._nonce = nonce

    def from_filename(self, filename: str, **options: Any) -> tuple[str, dict[str, Any]]:
        with rendering_with(self._nonce):
            return self._exporter.from_filename(filename, **options)  # type: ignore[no-any-return]


def with_nonce(handler: type[RequestHandler]) -> type[RequestHandler]:
    """The same handler, with a nonce if it can render a page."""
    if not issubclass(handler, BaseHandler):
        return handler
    own = (ApiErrors, *mixins(handler)) if is_api(handler) else ()
    return type(handler.__name__, (_Nonce, *own, handler), {})
