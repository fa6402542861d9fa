"""The web application: pages, errors, security headers, metrics, OpenAPI."""
