"""The hub of docker/ as it will run: real engines, real images, real containers."""
