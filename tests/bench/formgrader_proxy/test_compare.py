"""The formgrader benchmark's own arithmetic and its two ways of asking."""

import shutil

import pytest

from tests.bench import measure
from tests.bench.formgrader_proxy import compare as formgrader
from tests.bench.formgrader_proxy import load as formgrader_load
from tests.bench.formgrader_proxy.compare import DIRECT, JSP, NGINX, OURS, RateTable, Result


def turn(rate: float = 100.0, median_ms: float = 1.0, cpu_us: float = 100.0) -> Result:
    small = {"rate": rate, "median_ms": median_ms, "p99_ms": 9.0, "cpu_us": cpu_us}
    return {"1": small, "10": small, "100": small, "big": None, "socket": None}


def table(**ours: float) -> RateTable:
    results = {
        DIRECT: [turn(median_ms=0.5)],
        OURS: [turn(**({"rate": 600.0, "median_ms": 1.5} | ours))],
        NGINX: [turn(rate=1200.0)],
        JSP: [turn(cpu_us=700.0)],
    }
    return RateTable("formgrader", "A title", {}, DIRECT, results=results)


@pytest.mark.parametrize(
    ("ours", "missed"),
    [
        ({}, ()),
        ({"median_ms": 1.51}, ("adds 1.01 ms",)),
        ({"rate": 599.0}, ("times jupyter-server-proxy", "times nginx's")),
    ],
    ids=["exactly the targets", "slower", "fewer"],
)
def test_targets_are_met_or_missed(ours: dict[str, float], missed: tuple[str, ...]) -> None:
    """Each target has its own figure; loads that a contender does not support have no verdict."""
    found = [line for line in table(**ours).verdicts() if line.startswith("MISSED")]
    assert len(found) == len(missed)
    for line, words in zip(found, missed, strict=True):
        assert words in line
    assert not any("1 GB" in line for line in table().verdicts())


def test_the_cpu_of_a_request_is_compared() -> None:
    """CPU time is in the table and in a sentence, because a busy machine hardly affects it."""
    sentence = (
        "A request through services.formgrader_proxy needs 0.14 times the CPU time of one through"
        " jupyter-server-proxy."
    )
    assert sentence in table().verdicts()
    assert "10: CPU µs" in table().markdown()


def test_contenders_are_compared_turn_by_turn() -> None:
    """A slow machine slows both contenders of a turn; the median of the ratios counts."""
    results = {OURS: [turn(rate=rate) for rate in (600, 60, 6)], NGINX: []}
    results[NGINX] = [turn(rate=rate) for rate in (1000, 150, 12)]
    found = RateTable("formgrader", "A title", {}, DIRECT, results=results)
    (line,) = found.verdicts()
    assert line.startswith("Met: services.formgrader_proxy reaches 0.50 times nginx's")
    assert "(single turns: 0.40 to 0.60)" in line


@pytest.mark.parametrize("by_wrk", [True, False], ids=["wrk", "python"])
async def test_small_answers_are_counted(
    by_wrk: bool, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both clients measure the same quantities of a real server."""
    if by_wrk and not shutil.which("wrk"):
        pytest.skip("wrk is not installed: apt-get install wrk")
    if not by_wrk:
        monkeypatch.setattr(shutil, "which", lambda _: None)
    log = tmp_path_factory.mktemp("bench") / "log"
    command = measure.python("-m", "tests.bench.formgrader_proxy.upstream")
    with measure.background(command, log) as (url, pid):
        found = await formgrader_load.small(
            url + formgrader.COURSE, formgrader.BROWSER, 2, 1.0, [pid]
        )
    assert found["rate"] > 0
    assert 0 < found["median_ms"] <= found["p99_ms"]
    assert found["cpu_us"] >= 0
