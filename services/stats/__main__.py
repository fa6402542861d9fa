"""Entry point of ``python -m services.stats``."""

from services import startup

if __name__ == "__main__":
    startup.stats()
