"""The roster of docker/hub: who may sign in, as what, and every mistake told at once."""

from pathlib import Path

import pytest

from classroom_hub.roster import Roster, RosterFile, addresses_in, load_roster, user_name
from classroom_hub.sync import MARK, changes
from common.errors import ConfigError
from common.hub.models import Group

WHOLE = """
domains = ["university.example"]
admins = ["Head@University.example"]

[[course]]
id = "course101"
instructors = ["ina@university.example"]
graders = ["gus"]
students = ["ada@university.example", "o'neill@other"]
students_file = "list.csv"
"""


def nothing(name: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", name)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_roster(text, nothing)
    return list(caught.value.problems)


def test_a_roster_makes_nbgraders_groups() -> None:
    text = WHOLE.replace(', "o\'neill@other"', "")
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


def test_every_mistake_is_told_at_once() -> None:
    found = problems(
        'domains = ["nodomain"]\nadmin = ["x"]\n'
        '[[course]]\nid = "a b"\n'
        '[[course]]\nid = "c"\ngrader = ["x"]\nstudents = "ada"\nstudents_file = "gone.csv"\n'
        '[[course]]\nid = "c"\n'
    )
    assert found == [
        'admin: unknown; did you mean "admins"?',
        'domains: "nodomain" is none; write the part behind the @ of an address',
        "course 1, id: write letters, digits, dots, dashes and underscores, such as course101",
        'course "c", grader: unknown; did you mean "graders"?',
        'course "c", students: write a list, such as ["ada@university.example"]',
        'course "c", students_file: "gone.csv" cannot be read: No such file or directory',
        'course "c", id: stands twice; each course needs its own',
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nobody is on it"),
        ("admins = [", "this is not TOML"),
        ('course = "c"', "[[course]]"),
        ('admins = ["a/b"]', '"a/b" is no address'),
        ('admins = ["a b@x.example"]', "is no address"),
        ('domains = ["a.example", "b.example"]\nadmins = ["ada"]', "lacks its domain"),
        ('domains = ["a.example"]\nadmins = ["ada@b.example"]', "not of a.example"),
        (
            '[[course]]\nid = "c"\ngraders = ["eve"]\nstudents = ["eve"]',
            "nobody grades themselves",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, words: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert words in found[0]


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
def test_a_name_is_what_the_authenticator_will_call_somebody(
    address: str, domains: tuple[str, ...], name: str
) -> None:
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
def test_lists_of_students_come_as_registrars_write_them(text: str) -> None:
    assert [each.strip() for each in addresses_in(text)] == ["ada@u.example", "bob@u.example"]


def test_a_list_without_addresses_says_so() -> None:
    with pytest.raises(ValueError, match="none of its columns is called email"):
        addresses_in("Name,Number\nAda,1\n")
    assert addresses_in(" \n") == []


def test_a_bad_roster_locks_nobody_out(tmp_path: Path) -> None:
    path, listed = tmp_path / "roster.toml", tmp_path / "c.csv"
    path.write_text('[[course]]\nid = "c"\nstudents_file = "c.csv"\n')
    listed.write_text("ada\n")
    file = RosterFile(path)
    assert file.roster.people == {"ada"}
    assert not file.look()

    listed.write_text("ada\nbob\n")
    assert file.look()
    assert file.roster.people == {"ada", "bob"}

    listed.unlink()
    assert not file.look()
    assert list(file.problems) == [
        'course "c", students_file: "c.csv" cannot be read: No such file or directory'
    ]
    assert file.roster.people == {"ada", "bob"}

    path.write_text('admins = ["root"]\n')
    assert file.look()
    assert not file.problems
    assert file.roster.people == {"root"}

    path.unlink()
    assert not file.look()
    assert "cannot be read: No such file" in file.problems[0]
    assert file.roster.people == {"root"}


def test_a_roster_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        RosterFile(tmp_path / "roster.toml")


def test_changes_lead_to_the_roster_and_then_there_are_none() -> None:
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
