"""E-mail addresses of users. Pure.

A name that is an address is used as it is; any other is put into the configured template, such as
``{name}@uni.example``. What then is not a valid address is reported, never left out silently.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

#: The addresses that browsers accept in ``<input type=email>`` (WHATWG HTML, "valid e-mail
#: address"), without dots where RFC 5322 has none, and with the lengths of RFC 5321.
_ADDRESS = re.compile(
    r"(?!.{255})(?=[^@]{1,64}@)"
    r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)

PLACEHOLDER = "{name}"

LONGEST_LINK = 1900
"""Most characters in a mailto link: Windows and some browsers ignore links of 2,048 or more."""


def is_address(text: str) -> bool:
    """Whether this is a valid e-mail address."""
    return _ADDRESS.fullmatch(text) is not None


def template_problem(template: str) -> str:
    """What is wrong with a template; empty if nothing is."""
    if template.count(PLACEHOLDER) != 1:
        return f"{template!r} needs {PLACEHOLDER} once, such as {PLACEHOLDER}@uni.example"
    if not is_address(template.replace(PLACEHOLDER, "ana")):
        return f"{template!r} does not give valid addresses; write {PLACEHOLDER}@uni.example"
    return ""


@dataclass(frozen=True)
class AddressList:
    """The addresses of some users, without repetitions, and the names that have none."""

    addresses: tuple[str, ...]
    without: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str], template: str) -> "AddressList":
        """The addresses of these users. Without a template, only names can be addresses."""
        found: dict[str, None] = {}
        without: dict[str, None] = {}
        for name in names:
            address = name if "@" in name else template.replace(PLACEHOLDER, name)
            if is_address(address):
                found[address] = None
            else:
                without[name] = None
        return cls(tuple(found), tuple(without))

    @property
    def report(self) -> str:
        """How many users have no address, for people to read; empty if all have one."""
        number = len(self.without)
        if not number:
            return ""
        return (
            "1 user has no e-mail address"
            if number == 1
            else f"{number:,} users have no e-mail address"
        )

    @property
    def text(self) -> str:
        """The addresses, one a line."""
        return "".join(f"{address}\n" for address in self.addresses)

    @property
    def bcc(self) -> str | None:
        """All addresses, for the field of a mailto link (RFC 6068); None if nobody, or too many."""
        if not self.addresses:
            return None
        field = ",".join(quote(one, safe="@") for one in self.addresses)
        return field if len("mailto:?bcc=" + field) <= LONGEST_LINK else None
