"""The gradebook inside a formgrader's process: fast, and shared with other processes."""
