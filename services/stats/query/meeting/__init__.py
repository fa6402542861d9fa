"""The page for a meeting: a period in a few figures and plain words. Pure."""
