"""`python -m tests.bench`: compares the cost of the services with similar programs."""
