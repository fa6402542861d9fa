"""One pass of jupyterhub-idle-culler, which has no option `--once`.

Flags, logging and the client are set up as in its `start()`.
"""

import asyncio
import os

from jupyterhub_idle_culler import (  # type: ignore[import-untyped] # it has no types
    IdleCuller,
    cull_idle,
)


class OnePass(IdleCuller):  # type: ignore[misc] # it has no types
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
