"""The passwords of instructors and graders if the hub uses the shared password.

All students know the shared password, so it never signs in staff. Each instructor and grader has
their own password, which is derived from the admin password. To print it, in the hub's container::

    docker compose exec hub python -m classroom_hub.staff_password NAME ...

A new admin password also changes all passwords of staff.
"""

import argparse
import hashlib
import hmac
import sys
from pathlib import Path
from typing import Any

from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from traitlets import Set, Unicode

#: 96 bits, in hexadecimal digits.
_LENGTH = 24
ADMIN_PASSWORD = Path("/run/secrets/admin_password")


def own_password(admin_password: str, name: str) -> str:
    """Return the password of an instructor or grader."""
    text = f"password of staff: {name}".encode()
    return hmac.new(admin_password.encode(), text, hashlib.sha256).hexdigest()[:_LENGTH]


class StaffPasswordAuthenticator(SharedPasswordAuthenticator):  # type: ignore[misc] # has no types
    """Accepts the shared password for students only.

    Admins need the admin password. Instructors and graders, ``staff_users``, need their own or the
    admin password.
    """

    staff_users = Set(Unicode(), help="The names of instructors and graders.")

    async def authenticate(self, handler: Any, data: dict[str, str]) -> Any:
        """Return the user if the password is correct, otherwise None."""
        if not data["password"].isascii():
            return None  # comparing it would raise an error, and all passwords are ASCII text
        name = self.normalize_username(data["username"])
        if name in self.admin_users or name not in self.staff_users:
            return await super().authenticate(handler, data)
        admin = self.admin_password
        accepted = (admin, own_password(admin, name)) if admin else ()
        if any(hmac.compare_digest(data["password"], each) for each in accepted):
            return {"name": name, "admin": False, "groups": []}
        self.log.warning(
            "%s is an instructor or grader and needs their own password, which python -m"
            " classroom_hub.staff_password prints in the hub's container",
            name,
        )
        return None


def main() -> None:
    """Print the passwords of the given users."""
    parser = argparse.ArgumentParser(description="Print the passwords of instructors and graders.")
    parser.add_argument("names", nargs="+", metavar="NAME")
    names = parser.parse_args().names
    try:
        admin_password = ADMIN_PASSWORD.read_text(encoding="utf-8").strip()
    except OSError as error:
        sys.exit(
            f"Cannot read {ADMIN_PASSWORD}: {error.strerror}. Run this in the hub's container."
        )
    for name in names:
        print(name, own_password(admin_password, name.lower()))


if __name__ == "__main__":
    main()
