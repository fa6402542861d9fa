"""What the Hub of docker/ is made of: who may sign in, and where their servers run."""
