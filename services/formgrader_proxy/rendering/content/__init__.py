"""What students wrote: which parts are shown, rendered and sanitized."""
