"""Runs students' servers as services of a Docker swarm."""
