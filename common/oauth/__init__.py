"""Signing in through the Hub (OAuth)."""
