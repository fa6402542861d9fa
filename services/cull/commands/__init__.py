"""The culler's commands: ``--once``, ``--dry-run``, ``explain`` and ``check-policy``."""
