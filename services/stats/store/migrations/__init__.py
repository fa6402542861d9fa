"""The database's schema, step by step (Alembic). Run by ``services.stats.store.schema``."""
