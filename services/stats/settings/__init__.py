"""Settings that the service keeps in its database, so that the commands share them. Pure."""
