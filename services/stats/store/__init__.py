"""The statistics database: schema, writes and daily rollups."""
