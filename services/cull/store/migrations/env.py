"""Alembic's entry point: migrates over the connection that ``common.db.schema`` provides."""

from common.db.migrate import run_migrations

run_migrations()
