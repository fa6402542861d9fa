"""The list of courses with what is left to grade, and the export of their grades."""
