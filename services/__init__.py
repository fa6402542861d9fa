"""The services of a teaching JupyterHub: cull, stats and formgrader_proxy."""
