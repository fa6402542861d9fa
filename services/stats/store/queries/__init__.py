"""The database's read side: the queries of the dashboard, the API and the reports."""
