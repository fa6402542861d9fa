"""Stops idle single-user servers, and never the wrong one."""
