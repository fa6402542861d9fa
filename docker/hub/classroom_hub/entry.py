"""What the entry point of a student's container (docker/images/singleuser) is told and may do."""

#: What it needs to become the user; of the user's programs none has any.
CAPABILITIES = ("CHOWN", "SETGID", "SETUID")
#: What it needs beside, to close the container to the others in its network.
FIREWALL = "NET_ADMIN"


def environment(user: str, uid: int, home: str, let_in: str) -> dict[str, str]:
    """Who the user is, and the names of who may connect to the server; empty: everybody."""
    return {
        "NB_USER": user,
        "NB_UID": str(uid),
        "NB_GID": str(uid),
        "HOME": home,
        "CLASSROOM_LET_IN": let_in,
    }


def capabilities(let_in: str) -> list[str]:
    """The capabilities that it needs for that."""
    return [*CAPABILITIES, *([FIREWALL] if let_in else [])]
