"""The gradebook's database: indexes, connections and sessions."""
