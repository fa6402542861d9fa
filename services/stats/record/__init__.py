"""Polling the Hub and recording activity."""
