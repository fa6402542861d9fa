"""Commands for courses, which run as the accounts of their formgraders."""
