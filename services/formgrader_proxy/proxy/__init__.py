"""Forwarding requests to a formgrader, and its responses back."""
