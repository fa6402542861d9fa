"""How active the users of a hub or a group are, compared with each other. Pure."""
