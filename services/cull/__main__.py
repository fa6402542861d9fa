"""Entry point of ``python -m services.cull``."""

from services.cull.app import IdleCuller

if __name__ == "__main__":
    IdleCuller.launch()
