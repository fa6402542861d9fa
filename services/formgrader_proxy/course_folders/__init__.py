"""Courses that are found as folders: ``directory = "/srv/courses/{id}"`` in the courses file."""
