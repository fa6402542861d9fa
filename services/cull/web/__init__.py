"""The culler's pages and JSON API."""
