"""The Hub scopes of the formgrader proxy. Pure.

Its own token needs none: groups come with the sign-in of each user.
"""

#: Opens the formgraders of all courses. The Hub must define it as a custom scope.
ADMIN_SCOPE = "custom:jupyterhub-formgrader:admin"
