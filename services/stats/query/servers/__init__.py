"""The figures about servers: what users chose, how long servers run, how many to expect. Pure."""
