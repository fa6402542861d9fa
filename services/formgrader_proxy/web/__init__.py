"""The pages and the JSON API of the service itself."""
