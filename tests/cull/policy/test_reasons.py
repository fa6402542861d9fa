"""The words for every reason."""

from datetime import UTC, datetime

import pytest

from services.cull.policy.model import Action, Decision, Reason
from services.cull.policy.reasons import (
    FLAGS,
    NO_LIMIT,
    REASONS,
    as_sentence,
    describe_reason,
    describe_reason_with_flag,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def decision(reason: Reason, due: datetime | None = NOON) -> Decision:
    """A decision with this reason."""
    return Decision(Action.KEEP, reason, "default", due)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_one_clause(reason: Reason) -> None:
    """A clause starts in lower case and has no full stop, so that it fits after "because"."""
    clause = describe_reason(decision(reason))
    assert clause == REASONS[reason]
    assert clause[0].islower()
    assert not clause.endswith(".")


def test_no_two_reasons_read_the_same() -> None:
    """Readers can tell the reasons apart."""
    assert len({*REASONS.values(), NO_LIMIT}) == len(REASONS) + 1


def test_an_active_server_without_a_limit_is_described_differently() -> None:
    """The words "not yet" would be wrong for a server that no rule ever stops."""
    assert describe_reason(decision(Reason.ACTIVE, due=None)) == NO_LIMIT


@pytest.mark.parametrize("reason", FLAGS)
def test_administrators_are_shown_the_flag(reason: Reason) -> None:
    """Where a flag keeps a server or user, the terminal names it; a page does not."""
    assert describe_reason_with_flag(decision(reason)) == f"{REASONS[reason]} ({FLAGS[reason]})"
    assert "--" not in describe_reason(decision(reason))


def test_reasons_without_a_flag_name_none() -> None:
    """Most reasons do not depend on a flag."""
    assert describe_reason_with_flag(decision(Reason.IDLE)) == REASONS[Reason.IDLE]


def test_a_clause_becomes_a_sentence() -> None:
    """Only the first letter changes, so names keep their case."""
    assert as_sentence("its rule is GPU") == "Its rule is GPU."
