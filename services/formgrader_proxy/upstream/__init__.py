"""The formgrader processes that this service runs."""
