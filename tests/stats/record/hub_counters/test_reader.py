"""Counting starts with each poll of a hub, whatever its page of metrics says."""

import logging
from collections.abc import Callable

import pytest

from services.stats.days import Period
from services.stats.query.access import WholeHub
from services.stats.query.periods import Summary
from services.stats.record.hub_counters import reader
from services.stats.record.recorder import Recorder
from services.stats.store.queries.dashboard import Queries
from tests.fakes.clock import START
from tests.fakes.faults import Fault
from tests.fakes.hub import FakeHub
from tests.stats.record.scenarios.hub_metrics import metrics_page
from tests.stats.record.scenarios.recorders import Scenario

DAY = START.date()


def page(starts: int) -> str:
    """The metrics of a hub that has started this many servers."""
    return metrics_page([("success", "", 3.0)] * starts)


async def summary(recorder: Recorder) -> Summary:
    """The day of the whole hub."""
    (found,) = await Queries(recorder.store).summaries(WholeHub(), [Period(DAY, DAY)])
    return found


async def test_twenty_sessions_of_three_minutes(scenario: Scenario) -> None:
    """Sessions between two polls are in no listing; the Hub's own count has all of them."""
    recorder = await scenario.leading()
    for number in range(21):
        scenario.fake.metrics_text = page(7 + number)
        result = await recorder.poll()
        assert result.poll
        assert result.poll.whole
        scenario.pass_minutes(1)
        if number < 20:
            scenario.start("ana")
            scenario.pass_minutes(3)
            scenario.stop("ana")
            scenario.pass_minutes(1)
    found = await summary(recorder)
    assert (found.sessions, found.starts) == (0, 20)
    (day,) = await Queries(recorder.store).days(WholeHub(), DAY, DAY)
    assert day.starts == 20


async def test_counting_continues_after_a_restart(scenario: Scenario) -> None:
    """What the Hub counted while no recorder ran is counted once."""
    for starts in (5, 7, 12):
        scenario.fake.metrics_text = page(starts)
        recorder = await scenario.leading()
        await recorder.poll()
        await recorder.close()
        scenario.pass_minutes(20)
    assert (await summary(recorder)).starts == 7


def fault(kind: str, **fields: object) -> Callable[[FakeHub], Fault]:
    """What breaks the page of metrics, and nothing else."""
    return lambda fake: fake.fail(kind, path="/hub/metrics", times=3, **fields)


@pytest.mark.parametrize(
    ("breaks", "why"),
    [
        pytest.param(fault("status", status=403), "lacks the scope read:metrics", id="forbidden"),
        pytest.param(fault("status", status=404), "status 404", id="missing"),
        pytest.param(fault("status", status=500), "status 500", id="failed"),
        pytest.param(fault("status", status=302), "unexpected redirect", id="redirect"),
        pytest.param(fault("body", body="<html>"), "has no metric", id="another page"),
        pytest.param(fault("body", body="x" * 2000), "more than 1000 bytes", id="huge"),
        pytest.param(fault("cut"), "incomplete response", id="cut off"),
        pytest.param(fault("hang"), "no response within 0 s", id="hangs"),
    ],
)
async def test_unreadable_metrics(
    scenario: Scenario,
    breaks: Callable[[FakeHub], Fault],
    why: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The poll is complete, the starts are unknown, one line says why, and reading resumes."""
    monkeypatch.setattr(reader, "MOST_BYTES", 1000)
    caplog.set_level(logging.INFO)
    recorder = await scenario.leading()
    recorder.poller.counters.seconds = 0.2
    breaks(scenario.fake)
    for _ in range(3):
        result = await recorder.poll()
        assert result.poll
        assert (result.poll.whole, result.error) == (True, "")
        scenario.pass_minutes(5)
    assert (await summary(recorder)).starts is None
    (line,) = [one for one in caplog.messages if one.startswith("Starts and failures")]
    assert why in line
    monkeypatch.setattr(reader, "MOST_BYTES", 100_000)
    for starts in (4, 6):
        scenario.fake.metrics_text = page(starts)
        await recorder.poll()
        scenario.pass_minutes(5)
    assert recorder.poller.counters.problem == ""
    assert "can be read again" in caplog.text
    assert (await recorder.store.load_state()).spawn_counters is not None


async def test_no_hub_no_metrics(scenario: Scenario) -> None:
    """While the Hub is down, the poll is incomplete and the starts are found out later."""
    scenario.fake.metrics_text = page(1)
    recorder = await scenario.leading()
    await recorder.poll()
    scenario.pass_minutes(5)
    await scenario.fake.stop()
    result = await recorder.poll()
    assert result.poll
    assert not result.poll.whole
    await scenario.fake.start()
    scenario.pass_minutes(5)
    scenario.fake.metrics_text = page(4)
    await recorder.poll()
    assert (await summary(recorder)).starts == 3
