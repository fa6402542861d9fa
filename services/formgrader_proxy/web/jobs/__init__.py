"""The page and the API of the jobs of a course."""
