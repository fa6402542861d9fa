"""nbgrader's formgrader behind the Hub's sign-in, for many courses."""
