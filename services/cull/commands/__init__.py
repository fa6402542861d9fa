"""The culler's commands: ``--once``, ``--dry-run`` and ``explain``."""
