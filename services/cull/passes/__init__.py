"""Passes over the Hub's servers: survey, re-read, stop."""
