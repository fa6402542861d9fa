"""A single-user server that is up in a tenth of a second: it says 200 to everything.

Run by path with ``python -S -E``, so it imports the standard library only.
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Answer(BaseHTTPRequestHandler):
    """Says which server this is, to any path and any method."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"tiny server of {os.environ['JUPYTERHUB_SERVICE_PREFIX']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as there
        """Stay quiet: the Hub's log is the one that is read."""


def main() -> None:
    """Serve where JupyterHub says, until a signal ends the process."""
    url = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    server = ThreadingHTTPServer((url.hostname or "127.0.0.1", url.port or 0), Answer)
    server.daemon_threads = True
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
