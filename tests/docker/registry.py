"""An image registry shared by several machines: Debian's docker-registry in a container.

Images are stored in a volume of the engine, so that later runs push only what has changed.
"""

from contextlib import suppress
from pathlib import Path

from tests.docker.engine import BASE, CommandError, Engine, until

NAME = "classroom-test-registry"
PORT = "5000"
#: Engines use a registry on loopback without TLS; other addresses must be configured.
HERE = f"127.0.0.1:{PORT}"
DOCKERFILE = f"""FROM {BASE}
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \\
      --no-install-recommends docker-registry && rm -rf /var/lib/apt/lists/*
COPY config.yml /config.yml
CMD ["docker-registry", "serve", "/config.yml"]
"""
CONFIG = f"""version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: /var/lib/registry}}}}
http: {{addr: ":{PORT}"}}
"""


class Registry:
    """A registry at a given address of an engine's network; the engine pushes the images."""

    def __init__(self, engine: Engine, work: Path, network: str, address: str) -> None:
        self._engine = engine
        self._work = work
        self._network = network
        self._ip = address
        #: The registry's address for machines on the network.
        self.address = f"{address}:{PORT}"

    def start(self) -> None:
        """Start the registry; the network must exist."""
        image = self._work / "registry"
        image.mkdir()
        (image / "Dockerfile").write_text(DOCKERFILE)
        (image / "config.yml").write_text(CONFIG)
        self._engine.docker("build", "-q", "-t", NAME, str(image))
        self._engine.docker(
            *("run", "-d", "--name", NAME, "--network", self._network, "--ip", self._ip),
            *("-p", f"{HERE}:{PORT}", "-v", f"{NAME}:/var/lib/registry", NAME),
        )
        until("the registry", self._answers)

    def stop(self) -> None:
        """Stop the registry and keep its images."""
        with suppress(CommandError):
            self._engine.docker("rm", "-f", NAME)

    def push(self, image: str, name: str | None = None) -> None:
        """Push an image from the engine, optionally under another name."""
        there = f"{HERE}/{name or image}"
        self._engine.docker("tag", image, there)
        self._engine.docker("push", "-q", there)
        self._engine.docker("rmi", there)

    def _answers(self) -> bool:
        words = ("python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {PORT}))")
        with suppress(CommandError):
            self._engine.docker("exec", NAME, *words)
            return True
        return False
