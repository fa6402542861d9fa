"""The arithmetic of the formgrader benchmark, and its two load generators."""

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
        ({"rate": 599.0}, ("times jupyter-server-proxy", "of nginx's")),
    ],
    ids=["exactly the targets", "slower", "fewer"],
)
def test_targets_are_kept_or_missed(ours: dict[str, float], missed: tuple[str, ...]) -> None:
    """Each by its own number. What a contender does not support has no verdict."""
    found = [line for line in table(**ours).verdicts() if line.startswith("MISSED")]
    assert len(found) == len(missed)
    for line, words in zip(found, missed, strict=True):
        assert words in line
    assert not any("1 GB" in line for line in table().verdicts())


def test_the_cpu_of_a_request_is_compared() -> None:
    """In the table and as a sentence, because a busy machine affects it least."""
    words = "A request of ours takes 0.14 of the CPU of one of jupyter-server-proxy's."
    assert words in table().verdicts()
    assert "10: CPU µs" in table().markdown()


def test_contenders_are_compared_turn_by_turn() -> None:
    """A slow moment affects both in the same turn. The median of the ratios counts."""
    results = {OURS: [turn(rate=rate) for rate in (600, 60, 6)], NGINX: []}
    results[NGINX] = [turn(rate=rate) for rate in (1000, 150, 12)]
    found = RateTable("formgrader", "A title", {}, DIRECT, results=results)
    (line,) = found.verdicts()
    assert line.startswith("Kept: ours does 0.50 of nginx's")
    assert "(by turn 0.40 to 0.60)" in line


@pytest.mark.parametrize("by_wrk", [True, False], ids=["wrk", "python"])
async def test_small_answers_are_counted(
    by_wrk: bool, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both generators measure the same quantities of a real server."""
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
