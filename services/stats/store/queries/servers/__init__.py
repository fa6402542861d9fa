"""What is recorded about servers."""
