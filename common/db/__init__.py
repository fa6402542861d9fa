"""One database layer for all services: addresses, engines, transactions and schemas."""
