"""The record of changes and jobs, in a database."""
