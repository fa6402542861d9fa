"""The Hub scopes of the activity statistics, each with the reason. Pure.

``declare`` grants them, and the startup check reports missing ones.
"""

#: Opens the statistics of all users. The Hub must define it as a custom scope.
ADMIN_SCOPE = "custom:jupyterhub-stats:admin"

CULLER_AUDIT_SCOPE = "custom:jupyterhub-cull:read-audit"
"""Opens the audit log of the culler; its token also needs access to the culler's pages."""

REQUIRED_SCOPES = {
    "list:users": "to list the users",
    "read:users": "to see when users were last active, their groups, and when their accounts were"
    " created, which distinguishes a new user from a deleted one of the same name",
    "read:servers": "to see servers and when they were last active",
}

OPTIONAL_SCOPES = {
    "read:metrics": "to count how often servers start and fail, however short their sessions are",
}
"""What the figures lack without them is unknown, and shown as such."""
