"""The roster of docker/hub: parsing, problems, reloading, and changes in the Hub."""

from pathlib import Path

import pytest

from classroom_hub.roster import Roster, RosterFile, addresses_in, load_roster, user_name
from classroom_hub.sync import MARK, changes
from common.errors import ConfigError
from common.hub.models import Group

COMPLETE = """
domains = ["university.example"]
admins = ["Head@University.example"]

[[course]]
id = "course101"
instructors = ["ina@university.example"]
graders = ["gus"]
students = ["ada@university.example", "o'neill@other"]
students_file = "list.csv"
"""


def no_files(name: str) -> str:
    """Report that a students_file does not exist."""
    raise FileNotFoundError(2, "No such file or directory", name)


def problems(text: str) -> list[str]:
    """Return the problems of an invalid roster."""
    with pytest.raises(ConfigError) as caught:
        load_roster(text, no_files)
    return list(caught.value.problems)


def test_a_roster_defines_nbgraders_groups() -> None:
    """Each course has three groups, and instructors may also grade."""
    text = COMPLETE.replace(', "o\'neill@other"', "")
    roster = load_roster(text, lambda name: "Name,Email\nBob,bob@university.example\n")
    assert roster.domains == ("university.example",)
    assert roster.admins == {"head"}
    assert roster.groups == {
        "instruct-course101": {"ina"},
        "formgrade-course101": {"ina", "gus"},
        "nbgrader-course101": {"ada", "bob"},
    }
    assert roster.people == {"head", "ina", "gus", "ada", "bob"}
    assert roster.groups_of("ina") == {"instruct-course101", "formgrade-course101"}


def test_all_problems_are_reported_at_once() -> None:
    """Each message names the course and the key."""
    found = problems(
        'domains = ["nodomain"]\nadmin = ["x"]\n'
        '[[course]]\nid = "a b"\n'
        '[[course]]\nid = "c"\ngrader = ["x"]\nstudents = "ada"\nstudents_file = "gone.csv"\n'
        '[[course]]\nid = "c"\n'
    )
    assert found == [
        'admin: unknown key; did you mean "admins"?',
        'domains: "nodomain" is not a domain; use the part after the @ of an address',
        "course 1, id: use letters, digits, dots, dashes and underscores only, such as course101",
        'course "c", grader: unknown key; did you mean "graders"?',
        'course "c", students: use a list, such as ["ada@university.example"]',
        'course "c", students_file: cannot read "gone.csv": No such file or directory',
        'course "c", id: duplicate; each course needs a unique id',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the roster is empty"),
        ("admins = [", "not a valid TOML file"),
        ('course = "c"', "[[course]]"),
        ('admins = ["a/b"]', '"a/b" is not a valid address'),
        ('admins = ["a b@x.example"]', "is not a valid address"),
        (
            'domains = ["a.example", "b.example"]\nadmins = ["ada"]',
            "has no domain; add one of a.example, b.example",
        ),
        (
            'domains = ["a.example"]\nadmins = ["ada@b.example"]',
            "is not in a.example; only these domains may sign in",
        ),
        (
            '[[course]]\nid = "c"\ngraders = ["eve"]\nstudents = ["eve"]',
            "eve is also a grader of this course",
        ),
    ],
)
def test_an_invalid_roster_is_rejected(text: str, expected: str) -> None:
    """Each mistake is reported once."""
    found = problems(text)
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    ("address", "domains", "name"),
    [
        ("Ada@Uni.example", ("uni.example",), "ada"),
        ("ada", ("uni.example",), "ada"),
        ("ada@uni.example", ("uni.example", "b.example"), "ada@uni.example"),
        ("ada@gmail.example", (), "ada@gmail.example"),
        ("ada", (), "ada"),
        ("first.last+x@uni.example", ("uni.example",), "first.last+x"),
    ],
)
def test_user_names_match_those_of_the_authenticator(
    address: str, domains: tuple[str, ...], name: str
) -> None:
    """With a single domain, the domain is stripped, as GoogleOAuthenticator does."""
    assert user_name(address, domains) == name


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffLast name;E-Mail\r\nLovelace;ada@u.example\r\n\r\nB;bob@u.example\r\n",
        "email\nada@u.example\nbob@u.example\n",
        "# the class of autumn\nada@u.example\n\nbob@u.example",
        'Name\tmail\n"Lovelace, Ada"\tada@u.example\nBob\tbob@u.example\nNobody\t\n',
    ],
)
def test_common_formats_of_student_lists_are_read(text: str) -> None:
    """Commas, semicolons, tabs, quotes, comments and a byte order mark are supported."""
    assert [each.strip() for each in addresses_in(text)] == ["ada@u.example", "bob@u.example"]


def test_a_list_without_an_address_column_is_rejected() -> None:
    """An empty list is valid."""
    with pytest.raises(ValueError, match="no column is named email"):
        addresses_in("Name,Number\nAda,1\n")
    assert addresses_in(" \n") == []


def test_an_invalid_roster_locks_nobody_out(tmp_path: Path) -> None:
    """The last valid roster stays in effect until the file is corrected."""
    path, listed = tmp_path / "roster.toml", tmp_path / "c.csv"
    path.write_text('[[course]]\nid = "c"\nstudents_file = "c.csv"\n')
    listed.write_text("ada\n")
    file = RosterFile(path)
    assert file.roster.people == {"ada"}
    assert not file.reload()

    listed.write_text("ada\nbob\n")
    assert file.reload()
    assert file.roster.people == {"ada", "bob"}

    listed.unlink()
    assert not file.reload()
    assert list(file.problems) == [
        'course "c", students_file: cannot read "c.csv": No such file or directory'
    ]
    assert file.roster.people == {"ada", "bob"}

    path.write_text('admins = ["root"]\n')
    assert file.reload()
    assert not file.problems
    assert file.roster.people == {"root"}

    path.unlink()
    assert not file.reload()
    assert file.problems[0].startswith("cannot read the roster")
    assert "No such file" in file.problems[0]
    assert file.roster.people == {"root"}


def test_a_missing_roster_is_an_error_at_startup(tmp_path: Path) -> None:
    """There is no last valid roster yet."""
    with pytest.raises(ConfigError, match="cannot read the roster"):
        RosterFile(tmp_path / "roster.toml")


def test_changes_are_complete() -> None:
    """Applying them leaves nothing to change, and groups made by hand are not touched."""
    roster = Roster(
        admins=frozenset({"head"}),
        groups={"formgrade-c": frozenset({"gus"}), "nbgrader-c": frozenset({"ada", "bob"})},
    )
    groups = [
        Group(name="nbgrader-c", users=("ada", "eve")),
        Group(name="formgrade-old", users=("eve",), properties={MARK: True}),
        Group(name="by-hand", users=("eve",)),
    ]
    todo = changes(roster, ["head", "ada", "eve"], groups)
    assert todo.new_users == ("bob", "gus")
    assert todo.new_groups == ("formgrade-c",)
    assert todo.unmarked == ("formgrade-c", "nbgrader-c")
    assert todo.add == {"formgrade-c": ("gus",), "nbgrader-c": ("bob",)}
    assert todo.remove == {"nbgrader-c": ("eve",), "formgrade-old": ("eve",)}

    after = [
        Group(name="nbgrader-c", users=("ada", "bob"), properties={MARK: True}),
        Group(name="formgrade-c", users=("gus",), properties={MARK: True}),
        Group(name="formgrade-old", properties={MARK: True}),
        Group(name="by-hand", users=("eve",)),
    ]
    done = changes(roster, ["head", "ada", "eve", "bob", "gus"], after)
    assert (done.new_users, done.new_groups, done.unmarked) == ((), (), ())
    assert done.add == {}
    assert done.remove == {}
