"""What the proxy adds to responses of a formgrader: scripts, and the XSRF token."""
