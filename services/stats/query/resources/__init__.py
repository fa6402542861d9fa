"""Memory, CPU and cost of users' servers, from what Prometheus measured. Pure."""
