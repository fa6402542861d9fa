"""The traitlets application: flags, configuration files, the environment, help and launch."""
