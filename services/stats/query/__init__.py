"""Questions and their figures, without a database. Pure."""
