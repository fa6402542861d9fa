"""From a command line to a running service, and to its end."""
