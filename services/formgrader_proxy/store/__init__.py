"""The record of changes, in a database."""
