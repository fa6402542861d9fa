"""Poll the Hub and record activity."""
