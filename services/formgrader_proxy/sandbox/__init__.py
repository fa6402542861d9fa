"""A kernel provisioner that isolates the code of a submission, and the mechanisms it uses."""
