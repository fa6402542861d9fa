"""The culler's database: extensions, holds and the audit log."""
