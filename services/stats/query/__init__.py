"""What can be asked and how the answers are laid out, independent of the database. Pure."""
