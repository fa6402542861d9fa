"""What nbgrader's pages show of a gradebook, read with few queries."""
