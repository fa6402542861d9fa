"""Serves nbgrader's formgrader for many courses behind the Hub's sign-in."""
