"""Configuration of the Hub in docker/: sign-in, roster, spawners and home directories."""
