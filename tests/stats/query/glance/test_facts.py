"""The key numbers of a range of days."""

import pytest

from services.stats.query.figures import Kind
from services.stats.query.glance.facts import Fact, facts
from services.stats.query.periods import Summary
from tests.stats.query.test_figures import GAP, OBSERVED


def test_facts_of_one_user() -> None:
    """The facts of one user leave out those that count users."""
    many = {fact.title for fact in facts(OBSERVED, personal=False)}
    one = {fact.title for fact in facts(OBSERVED, personal=True)}
    assert one < many
    assert "Active users" not in one


def test_facts_of_a_gap_are_unknown() -> None:
    """Every fact but the observed share is None if nothing was observed."""
    found = {fact.title: fact for fact in facts(GAP, personal=False)}
    assert found.pop("Observed") == Fact("Observed", 0.0, Kind.PERCENT, "of the time")
    assert {(fact.value, fact.unknown) for fact in found.values()} == {(None, "not observed")}


@pytest.mark.parametrize(
    ("total", "title", "unknown"),
    [
        (OBSERVED, "Median session", "no session ended"),
        (OBSERVED, "Active per day", "no complete day"),
        (OBSERVED._replace(sessions=None), "Median session", "not recorded"),
        (OBSERVED._replace(sessions=None), "Sessions", "not recorded"),
        (OBSERVED._replace(sessions=None), "Idle", "not recorded"),
    ],
)
def test_why_a_fact_is_unknown(total: Summary, title: str, unknown: str) -> None:
    """A fact without a value says why, because much may have been observed."""
    (found,) = (fact for fact in facts(total, personal=False) if fact.title == title)
    assert (found.value, found.unknown) == (None, unknown)


def test_savings_come_last() -> None:
    """They are an estimate, and come after what was observed."""
    last = facts(OBSERVED, personal=False)[-1]
    assert (last.title, last.note) == ("Stopped while idle", "estimated")
    audited = facts(OBSERVED._replace(saved_audited=True), personal=False)[-1]
    assert audited.title == "Saved by the culler"
