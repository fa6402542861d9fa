"""The courses file: TOML with one ``[[course]]`` table per course."""
