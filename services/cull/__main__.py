"""Entry point of ``python -m services.cull``."""

from common.program.launch import launch
from services.cull.app import IdleCuller

if __name__ == "__main__":
    launch(IdleCuller)
