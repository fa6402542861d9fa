"""The process of a formgrader: its socket, its launch, its health, and its end."""
