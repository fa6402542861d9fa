"""A small process beside each formgrader: it filters the log, and ends everything that is left."""
