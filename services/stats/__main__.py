"""Entry point of ``python -m services.stats``."""

from services.stats.app import StatsApp

if __name__ == "__main__":
    StatsApp.launch()
