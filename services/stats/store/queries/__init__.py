"""The SQL behind the dashboard, the API and the report."""
