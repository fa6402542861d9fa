"""Environment and capabilities for the entry point of a student's container.

The entry point is docker/images/singleuser/become-user.py.
"""

#: The capabilities needed to become the user. The user's own programs have none.
CAPABILITIES = ("CHOWN", "SETGID", "SETUID")
#: The additional capability needed to load firewall rules.
FIREWALL = "NET_ADMIN"


def environment(user: str, uid: int, home: str, may_reach: str) -> dict[str, str]:
    """Return the environment variables for a user.

    ``may_reach`` lists the host names that the server may reach in its network, separated by
    spaces; an empty string disables the firewall.
    """
    return {
        "NB_USER": user,
        "NB_UID": str(uid),
        "NB_GID": str(uid),
        "HOME": home,
        "CLASSROOM_MAY_REACH": may_reach,
    }


def capabilities(may_reach: str) -> list[str]:
    """Return the capabilities that the entry point needs, with or without a firewall."""
    return [*CAPABILITIES, *([FIREWALL] if may_reach else [])]
