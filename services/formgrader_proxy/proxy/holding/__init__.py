"""Changes that wait until they can be made, and what happens if they cannot."""
