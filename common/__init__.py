"""Shared by the services: configuration, Hub and proxy clients, sign-in, pages, metrics."""

__version__ = "0.1.0"
