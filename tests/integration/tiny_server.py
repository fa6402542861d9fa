"""A minimal single-user server that starts quickly and responds with 200 to every request.

It runs with ``python -S -E``, so it uses only the standard library. A file in the user's home
directory is served to everyone, as users' own servers may do. The query of its address sets headers
of the response: ``?Set-Cookie=a%3D1``.
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

_TYPES = {".html": "text/html", ".js": "text/javascript"}


class Handler(BaseHTTPRequestHandler):
    """Returns a file of the home directory, or the server's prefix for every path and method."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        file = Path.home() / url.path.rpartition("/")[2]
        body = f"tiny server of {os.environ['JUPYTERHUB_SERVICE_PREFIX']}\n".encode()
        kind = _TYPES.get(file.suffix, "text/plain")
        if file.is_file():
            body = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        for name, value in parse_qsl(url.query) if file.is_file() else ():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


def main() -> None:
    """Serve at the address that JupyterHub sets, until a signal ends the process."""
    url = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    server = ThreadingHTTPServer((url.hostname or "127.0.0.1", url.port or 0), Handler)
    server.daemon_threads = True
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
