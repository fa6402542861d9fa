"""A client for configurable-http-proxy, and the keeper of a route there."""
