"""The subcommands, one file each: report, export, import-activity, forget-user, demo-data."""
