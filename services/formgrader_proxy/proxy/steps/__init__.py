"""The steps of a request, in the order of their use: permit, read or deliver, forward."""
