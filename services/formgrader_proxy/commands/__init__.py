"""Commands for a course, which run as the account of its formgrader."""
