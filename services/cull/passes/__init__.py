"""Passes over the Hub's servers: survey, decide, re-read, stop."""
