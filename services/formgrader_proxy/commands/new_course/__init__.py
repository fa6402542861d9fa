"""``new-course ID``: the folder, configuration, account, groups and entry of a course."""
