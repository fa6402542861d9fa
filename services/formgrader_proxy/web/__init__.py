"""The pages beside the formgrader itself."""
