"""The policy: its file, its rules and the decisions. Pure."""
