"""The JSON API of the statistics."""
