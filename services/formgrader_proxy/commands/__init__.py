"""The subcommands of the formgrader proxy."""
