"""The formgraders: processes of this service or external servers, and connections to them."""
