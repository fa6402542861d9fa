"""Queries about users who are not counted."""
