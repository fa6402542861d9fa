"""All grades of a course at once: for files, and for what is left to grade."""
