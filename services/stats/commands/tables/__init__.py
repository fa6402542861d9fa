"""Tables for a terminal: their columns, and how they fit it."""
