"""The Hub scopes of the culler, each with the reason. Pure.

``declare`` grants them, and the startup check reports missing ones.
"""

#: Opens the administrator's pages. The Hub must define it as a custom scope.
ADMIN_SCOPE = "custom:jupyterhub-cull:admin"

#: Opens the audit log for a service that reads it, such as the statistics, and nothing else.
AUDIT_SCOPE = "custom:jupyterhub-cull:read-audit"


def required_scopes(*, cull_users: bool) -> dict[str, str]:
    """Scopes without which the culler cannot work."""
    scopes = {
        "list:users": "to list the users with running servers",
        "read:users:activity": "to see when a user was last active",
        "read:servers": "to see servers and when they were last active",
        "delete:servers": "to stop servers",
    }
    if cull_users:
        scopes["delete:users"] = "to delete users (--cull-users)"
        scopes["read:users"] = "to see when a user was created (--cull-users)"
    return scopes


def optional_scopes(*, groups: bool, settle: bool) -> dict[str, str]:
    """Scopes for rules, holds and pages about ``groups``, and for waiting after a Hub restart."""
    scopes = {}
    if groups:
        scopes["read:users:groups"] = "to apply rules and holds of groups"
    if settle:
        scopes["read:metrics"] = "to see when the Hub was started (--settle)"
    return scopes
