"""The culler's JSON API."""
