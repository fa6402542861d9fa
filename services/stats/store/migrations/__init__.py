"""Migrations by Alembic: one file for each schema revision, in ``versions``."""
