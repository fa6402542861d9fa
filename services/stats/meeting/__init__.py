"""The page for a meeting, for the dashboard and for ``report --format=html``."""
