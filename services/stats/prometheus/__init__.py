"""Reads the memory and CPU of users' servers from a Prometheus."""
