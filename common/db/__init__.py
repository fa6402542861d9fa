"""Database addresses, engines, transactions and schemas."""
