"""E-mail addresses of names."""

import pytest

from services.stats.query.cohort.addresses import (
    LONGEST_LINK,
    AddressList,
    is_address,
    template_problem,
)

UNI = "{name}@uni.example"


@pytest.mark.parametrize(
    "text",
    ["ana@uni.example", "o'neil+x@a-b.example", "a.b_c@localhost", "x" * 64 + "@uni.example"],
)
def test_addresses(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "ana", "@uni.example", "ana@", "a b@uni.example", "ana@uni..example", "a@@b.example"),
        *(".ana@uni.example", "ana.@uni.example", "a..b@uni.example", "ana@-uni.example"),
        *("名前@uni.example", "a\u202eb@uni.example", "ana@uni.example\n", "a,b@uni.example"),
        *("ana@uni.example?bcc=x", "<ana@uni.example>", "x" * 65 + "@uni.example"),
        "ana@" + "x." * 130 + "example",
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)


def test_nobody_is_left_out_silently() -> None:
    """Names that are addresses stay; others become addresses; the rest is counted and listed."""
    names = ["ana", "ben@other.example", "a b", "名前", "@x", "ana", "c@d@e"]
    found = AddressList.of(names, UNI)
    assert found.addresses == ("ana@uni.example", "ben@other.example")
    assert found.without == ("a b", "名前", "@x", "c@d@e")
    assert found.report == "4 users have no e-mail address"
    assert found.text == "ana@uni.example\nben@other.example\n"


def test_without_a_template_only_names_can_be_addresses() -> None:
    found = AddressList.of(["ana", "ben@other.example"], "")
    assert (found.addresses, found.without) == (("ben@other.example",), ("ana",))
    assert found.report == "1 user has no e-mail address"


def test_a_link_has_all_addresses_or_does_not_exist() -> None:
    """All addresses are in BCC, so that none sees the others; what is special is encoded."""
    found = AddressList.of(["a&b", "c+d", "o'neil"], UNI)
    assert found.bcc == ("a%26b@uni.example,c%2Bd@uni.example,o%27neil@uni.example")
    many = AddressList.of([f"student{number}" for number in range(1000)], UNI)
    assert (len(many.addresses), many.bcc) == (1000, None)
    some = AddressList.of([f"student{number}" for number in range(70)], UNI)
    assert some.bcc is not None
    assert 1500 < len(some.bcc) <= LONGEST_LINK
    assert AddressList.of([], UNI).bcc is None


@pytest.mark.parametrize("template", [UNI, "u-{name}@uni.example", "{name}@localhost"])
def test_templates(template: str) -> None:
    assert not template_problem(template)


@pytest.mark.parametrize(
    "template",
    ["", "uni.example", "@uni.example", "{name}", "{name}{name}@x", "{user}@x", "{name}@ x"],
)
def test_invalid_templates_say_what_to_write(template: str) -> None:
    assert "{name}@uni.example" in template_problem(template)
