"""Students' servers as services of a Docker swarm."""
