"""The rows of days: counted from raw records, and kept."""
