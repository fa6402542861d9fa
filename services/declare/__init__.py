"""Declare the services in a JupyterHub configuration: :func:`declare`."""

from services.declare.declaration import declare

__all__ = ["declare"]
