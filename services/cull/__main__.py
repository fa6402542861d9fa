"""Entry point of ``python -m services.cull``."""

from services import startup

if __name__ == "__main__":
    startup.cull()
