"""The demo's users and groups."""

from collections.abc import Iterator
from typing import NamedTuple

COURSE = "course101"


class Person(NamedTuple):
    """A user of the demo hub."""

    login: str
    role: str
    groups: tuple[str, ...] = ()


GRADERS = f"formgrade-{COURSE}"
STUDENTS = f"nbgrader-{COURSE}"
INSTRUCTORS = "instructors"

PEOPLE = (
    Person("admin", "hub administrator"),
    Person("ines", "instructor", (INSTRUCTORS, GRADERS)),
    Person("greta", "grader", (GRADERS,)),
    Person("gustav", "grader", (GRADERS,)),
    *(Person(name, "student", (STUDENTS,)) for name in ("ada", "ben", "chloe", "dan", "eve")),
)


def groups() -> dict[str, list[str]]:
    """Return the logins in each group."""
    found: dict[str, list[str]] = {}
    for person in PEOPLE:
        for group in person.groups:
            found.setdefault(group, []).append(person.login)
    return found


def staff() -> set[str]:
    """Return the logins of all users except students."""
    return {person.login for person in PEOPLE if STUDENTS not in person.groups}


def by_role() -> Iterator[tuple[str, list[str]]]:
    """Yield each role with its logins, in the order above."""
    for role in dict.fromkeys(person.role for person in PEOPLE):
        yield role, [person.login for person in PEOPLE if person.role == role]
