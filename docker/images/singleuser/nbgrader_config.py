"""The path of nbgrader's exchange, for students and graders."""

c = get_config()  # noqa: F821 - nbgrader defines it
c.Exchange.root = "/srv/nbgrader/exchange"
