"""The dashboard and its JSON API."""
