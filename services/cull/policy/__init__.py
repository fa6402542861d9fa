"""The policy: its file format, its rules and the decisions. Pure."""
