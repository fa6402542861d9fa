"""The page "Resources", its CSV files and its part of the API."""
