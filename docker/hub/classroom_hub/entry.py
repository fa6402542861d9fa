"""What the entry point of a student's container (docker/images/singleuser) is told and may do."""

#: What it needs to become the user; of the user's programs none has any.
CAPABILITIES = ("CHOWN", "SETGID", "SETUID")
#: What it needs beside, to close the ways to the others in its network.
FIREWALL = "NET_ADMIN"


def environment(user: str, uid: int, home: str, may_reach: str) -> dict[str, str]:
    """Who the user is, and which neighbours the server may reach; empty: all."""
    return {
        "NB_USER": user,
        "NB_UID": str(uid),
        "NB_GID": str(uid),
        "HOME": home,
        "CLASSROOM_MAY_REACH": may_reach,
    }


def capabilities(may_reach: str) -> list[str]:
    """The capabilities that it needs for that."""
    return [*CAPABILITIES, *([FIREWALL] if may_reach else [])]
