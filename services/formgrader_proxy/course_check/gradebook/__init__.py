"""A gradebook, examined without writing to it."""
