"""Which servers the culler stopped, by its audit log."""
