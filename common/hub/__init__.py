"""A client for the Hub's REST API, and what its answers mean."""
