"""Executing a notebook in a sandbox, within limits."""
