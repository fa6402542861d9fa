"""The traitlets application: flags, configuration files, the environment and help."""
