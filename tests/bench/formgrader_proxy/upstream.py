"""A fake formgrader that needs very little CPU time: small, large and WebSocket responses.

Prints its address when it serves. Requests have no bodies; frames are small.
"""

import asyncio
import base64
import hashlib

BODY = b'{"status": true}'
SMALL = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY
BIG_BYTES = 1_000_000_000
CHUNK = bytes(256 * 1024)
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Upstream(asyncio.Protocol):
    """A connection of a client."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.waiting = b""
        self.frames = False
        self.writable = asyncio.Event()
        self.writable.set()
        self.sending: asyncio.Task[None] | None = None

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, _error: Exception | None) -> None:
        if self.sending is not None:
            self.sending.cancel()

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        if self.frames:
            self._echo()
            return
        while b"\r\n\r\n" in self.waiting:
            head, _, self.waiting = self.waiting.partition(b"\r\n\r\n")
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        target = head.split(b" ", 2)[1]
        if target.endswith(b"big.bin"):
            self.sending = asyncio.create_task(self._send_big())
        elif target.endswith(b"ws"):
            self._shake_hands(head)
        else:
            self.transport.write(SMALL)

    async def _send_big(self) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        self.transport.write(f"{head}Content-Length: {BIG_BYTES}\r\n\r\n".encode())
        left = BIG_BYTES
        while left:
            await self.writable.wait()
            part = CHUNK[: min(left, len(CHUNK))]
            self.transport.write(part)
            left -= len(part)

    def _shake_hands(self, head: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        key = next(value for name, value in fields.items() if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())  # noqa: S324 # RFC 6455 requires it
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.frames = True

    def _echo(self) -> None:
        while len(self.waiting) >= 6 and len(self.waiting) >= 6 + (self.waiting[1] & 0x7F):
            length = self.waiting[1] & 0x7F
            mask, packed = self.waiting[2:6], self.waiting[6 : 6 + length]
            text = bytes(byte ^ mask[place % 4] for place, byte in enumerate(packed))
            self.transport.write(bytes((self.waiting[0], length)) + text)
            self.waiting = self.waiting[6 + length :]


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
