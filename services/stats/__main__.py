"""Entry point of ``python -m services.stats``."""

from common.program.launch import launch
from services.stats.app import StatsApp

if __name__ == "__main__":
    launch(StatsApp)
