"""The numbers of a pass."""

import pytest

from common.errors import HubForbidden
from services.cull.passes.results import (
    MAX_ERRORS,
    Outcome,
    PassResult,
    Tally,
    TargetResult,
)
from services.cull.policy.model import Action, Decision, Reason
from tests.cull.culler import RecordingObserver
from tests.fakes.clock import START


def result_of(action: Action, outcome: Outcome) -> TargetResult:
    return TargetResult.of("ada", "", Decision(action, Reason.IDLE, "default"), outcome)


def numbers(tally: Tally) -> PassResult:
    return tally.result(START, 1.5)


def test_done_is_counted_by_action() -> None:
    """Stopped servers, removed servers and deleted users are three numbers."""
    tally = Tally()
    for action, times in ((Action.STOP, 3), (Action.REMOVE, 2), (Action.DELETE_USER, 1)):
        for _ in range(times):
            tally.add(result_of(action, Outcome.DONE))
    result = numbers(tally)
    assert (result.stopped, result.removed, result.deleted, result.skipped) == (3, 2, 1, 0)
    assert (result.started, result.elapsed) == (START, 1.5)


@pytest.mark.parametrize(
    ("outcome", "skipped", "postponed", "slow"),
    [
        (Outcome.DONE, 0, 0, 0),
        (Outcome.SLOW, 0, 0, 1),
        (Outcome.NO_LONGER_DUE, 1, 0, 0),
        (Outcome.GONE, 1, 0, 0),
        (Outcome.FAILED, 0, 0, 0),
        (Outcome.OVERDUE, 0, 0, 0),
        (Outcome.BACKED_OFF, 1, 0, 0),
        (Outcome.POSTPONED, 1, 1, 0),
    ],
)
def test_outcomes_are_summarized(outcome: Outcome, skipped: int, postponed: int, slow: int) -> None:
    """Targets that were due and not attempted to the end count as skipped, whatever the reason."""
    tally = Tally()
    tally.add(result_of(Action.STOP, outcome))
    result = numbers(tally)
    assert (result.skipped, result.postponed, result.slow) == (skipped, postponed, slow)


def test_all_errors_are_counted_and_the_first_ones_kept() -> None:
    """A hub with thousands of failing servers does not fill the memory with texts."""
    tally = Tally()
    for number in range(MAX_ERRORS + 5):
        tally.error(f"error {number}")
    result = numbers(tally)
    assert result.failures == MAX_ERRORS + 5
    assert result.errors == tuple(f"error {number}" for number in range(MAX_ERRORS))
    assert not result.forbidden


def test_a_missing_scope_is_remembered() -> None:
    """One 403 among other errors makes the pass report the token's scopes."""
    tally = Tally()
    tally.error("no", HubForbidden("no"))
    tally.error("broken", ValueError("broken"))
    assert numbers(tally).forbidden


def test_a_good_pass_is_complete_and_without_errors() -> None:
    """Either an incomplete listing or an error makes a pass not good."""
    assert numbers(Tally()).good
    incomplete, failed = Tally(), Tally()
    incomplete.complete = False
    failed.error("broken")
    assert not numbers(incomplete).good
    assert not numbers(failed).good


def test_each_result_is_passed_to_the_observer() -> None:
    """Metrics receive a result when it is counted, not at the end of the pass."""
    observer = RecordingObserver()
    result = result_of(Action.STOP, Outcome.DONE)
    Tally(observer).add(result)
    assert observer.all == [result]


@pytest.mark.parametrize(("server", "target"), [(None, "ada"), ("", "ada/"), ("lab", "ada/lab")])
def test_targets_have_a_name_for_the_log(server: str | None, target: str) -> None:
    """A user has the bare name, a default server a slash after it."""
    decision = Decision(Action.STOP, Reason.IDLE, "default", idle_since=START)
    result = TargetResult.of("ada", server, decision, Outcome.FAILED, "broken")
    assert result.target == target
    assert (result.rule, result.idle_since, result.detail) == ("default", START, "broken")
