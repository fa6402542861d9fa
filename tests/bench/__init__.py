"""`python -m tests.bench`: what our services cost, beside their peers, in one run."""
