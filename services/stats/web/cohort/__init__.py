"""The pages about who dropped off, and about the distribution over people."""
