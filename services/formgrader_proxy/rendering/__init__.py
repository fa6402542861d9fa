"""How a formgrader renders its pages: escaped, sanitized, and with a nonce for each script."""
