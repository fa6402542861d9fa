"""The way of a request to a formgrader and back."""
