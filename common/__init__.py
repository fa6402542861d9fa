"""What the services share: the Hub and proxy clients, sign-in, metrics, the web application."""
