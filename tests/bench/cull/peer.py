"""One pass of jupyterhub-idle-culler, then exit: it has no `--once` of its own.

Everything else is as its `start()` does it: flags, log, client.
"""

import asyncio
import os

from jupyterhub_idle_culler import (  # type: ignore[import-untyped] # the peer is not typed
    IdleCuller,
    cull_idle,
)


class OnePass(IdleCuller):  # type: ignore[misc] # the peer is not typed
    def start(self) -> None:
        asyncio.run(
            cull_idle(
                url=self.url,
                api_token=os.environ["JUPYTERHUB_API_TOKEN"],
                inactive_limit=self.timeout,
                logger=self.log,
                concurrency=self.concurrency,
                api_page_size=self.api_page_size,
            )
        )


if __name__ == "__main__":
    OnePass.launch_instance()
