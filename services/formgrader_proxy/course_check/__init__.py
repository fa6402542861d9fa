"""Checks whether a course can be served, before anything is opened for writing."""
