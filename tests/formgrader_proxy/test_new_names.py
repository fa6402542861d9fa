"""The names that assignments, notebooks and students may be given."""

import pytest

from services.formgrader_proxy.new_names import What, fault_of_new, fault_of_stored, is_possible

EVERY = frozenset(What)


@pytest.mark.parametrize(
    ("name", "possible"),
    [
        ("ps1", EVERY),
        ("Übung 3.1", EVERY),
        ("課題", EVERY),
        ("a+b", {What.NOTEBOOK}),
        ("ps (1)", {What.NOTEBOOK, What.STUDENT}),
        ("o'brien@example.org", {What.STUDENT}),
        ("ps[1]", set()),
        ("a;b", set()),
        ("DOMAIN\\user", set()),
        (" ps1", set()),
        ("ps1 ", set()),
        (".ps1", set()),
        ("ps1.", set()),
        ("", set()),
        ("x" * 121, set()),
        ("\u00e9" * 61, set()),
    ],
)
def test_names(name: str, possible: set[What]) -> None:
    """Each with what it is possible for."""
    assert {what for what in What if is_possible(what, name)} == possible
    assert {what for what in What if fault_of_new(what, name) is None} == possible
    assert {what for what in What if fault_of_stored(what, name) is None} == possible


def test_the_rule_is_stated() -> None:
    """With the characters that are accepted, and the name without invisible ones."""
    fault = fault_of_new(What.ASSIGNMENT, "a+b\u202e")
    assert fault is not None
    assert fault.startswith("\u201ca+b\ufffd\u201d cannot be used. The name of an assignment may")
    assert "+" not in fault.partition("cannot")[2]
