"""E-mail addresses of users, for lists of those who dropped off."""
