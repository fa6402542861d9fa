"""How long a job will still take."""

from datetime import timedelta

import pytest

from services.formgrader_proxy.jobs.progress import progress_of
from services.formgrader_proxy.store.job import Item, State
from tests.formgrader_proxy.jobs.values import NOON, ended, job


def seconds_left(*items: Item, at: float = 0, state: State = State.RUNNING) -> float | None:
    return progress_of(
        job(items=list(items), state=state), NOON + timedelta(seconds=at)
    ).seconds_left


def busy(student: str, since: float) -> Item:
    return Item(student, State.RUNNING, NOON + timedelta(seconds=since))


def test_nothing_is_claimed_before_an_item_has_ended() -> None:
    """Nor for a job that is queued, or over."""
    assert seconds_left(busy("ana", 0), Item("ben")) is None
    assert seconds_left(Item("ana"), state=State.QUEUED) is None
    assert seconds_left(ended("ana", 0, 10), state=State.DONE) is None


def test_the_rest_takes_as_long_as_what_has_ended() -> None:
    """Also what failed took time; what was never sent did not."""
    refused = Item("x", State.FAILED, ended_at=NOON)
    done = [ended("a", 0, 8), ended("b", 8, 20, State.FAILED), refused]
    assert seconds_left(*done, busy("c", 20), Item("d"), Item("e"), at=20) == pytest.approx(30)


def test_what_has_begun_takes_less() -> None:
    """An item that takes longer than the others counts as nearly done."""
    assert seconds_left(ended("a", 0, 10), busy("b", 10), at=16) == pytest.approx(4)
    assert seconds_left(ended("a", 0, 10), busy("b", 10), at=60) == 0


def test_several_at_once() -> None:
    """Two at a time take half as long."""
    rest = [Item(str(number)) for number in range(4)]
    at_once = [busy("b", 10), busy("c", 10)]
    assert seconds_left(ended("a", 0, 10), *at_once, *rest, at=10) == pytest.approx(30)


def test_the_current_submissions() -> None:
    """Those whose requests were sent, not those that wait for the formgrader."""
    waiting = Item("ben", State.RUNNING)
    found = progress_of(job(items=[busy("ana", 0), waiting], state=State.RUNNING), NOON)
    assert found.current == ("ana",)
