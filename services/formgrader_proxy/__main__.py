"""Entry point of ``python -m services.formgrader_proxy``."""

from services import startup

if __name__ == "__main__":
    startup.formgrader()
