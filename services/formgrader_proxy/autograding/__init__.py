"""Autograding a submission: which files are accepted, the limits, and the outcome."""
