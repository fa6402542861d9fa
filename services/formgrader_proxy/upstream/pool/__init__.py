"""The processes of a course: which of them gets a request, and how they end."""
