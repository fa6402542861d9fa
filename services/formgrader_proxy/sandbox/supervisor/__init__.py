"""The process between a formgrader and a sandbox: it starts, watches and ends the sandbox."""
