"""Lists what runs, and what that says about each server and about the Hub."""
