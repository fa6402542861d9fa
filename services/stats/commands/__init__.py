"""The subcommands: report, export, import, forget, demo data."""
