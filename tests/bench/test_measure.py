"""The benchmarks' arithmetic: turns, medians, ratios, verdicts."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.bench import measure, report
from tests.bench.measure import BenchError, Sample, Spread
from tests.bench.report import Table
from tests.paths import ROOT


def sample(wall: float = 1.0, peak_mb: float = 30.0, hub_cpu: float | None = None) -> Sample:
    return Sample(wall=wall, cpu=wall, peak_mb=peak_mb, hub_cpu=hub_cpu)


def table(**changes: object) -> Table:
    samples = {
        "peer": [sample(10.0), sample(9.0), sample(30.0)],
        "ours": [sample(1.0), sample(2.0, peak_mb=61.0), sample(5.0)],
    }
    settings: dict[str, object] = {"samples": samples, "peer": "peer"}
    return Table("quick", "A quick one", **{**settings, **changes})  # type: ignore[arg-type] # a table of changes


def test_contenders_run_in_turns() -> None:
    """Other work on the machine affects all contenders."""
    order: list[str] = []

    def contender(name: str) -> Sample:
        order.append(name)
        return sample()

    measure.in_turns({"a": lambda: contender("a"), "b": lambda: contender("b")}, 2)
    assert order == ["a", "b", "a", "b"]


def test_the_ratio_is_that_of_medians() -> None:
    """One slow run changes neither the median nor the ratio."""
    assert Spread.of([10.0, 9.0, 30.0]) == Spread(10.0, 9.0, 30.0)
    assert table().ratio("ours") == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        pytest.param({"wall_targets": {"ours": 0.2}}, "Met", id="exactly the target"),
        pytest.param({"wall_targets": {"ours": 0.19}}, "MISSED", id="slower"),
        pytest.param({"peak_targets": {"ours": 61.0}}, "Met", id="small enough"),
        pytest.param({"peak_targets": {"ours": 60.0}}, "MISSED", id="one run too large"),
    ],
)
def test_a_target_is_met_or_missed(changes: dict[str, object], verdict: str) -> None:
    """Time targets use the ratio of medians, memory targets the worst run."""
    (line,) = table(**changes).verdicts()
    assert line.startswith(verdict)


def test_time_that_the_host_gave_to_others_is_told_of_the_time_worked(tmp_path: Path) -> None:
    """Idle time is ignored; the fraction is 0 on a system without /proc."""
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 9000 10 0 0 20 0 0\ncpu0 1 2 3\n")
    stolen = measure.Stolen(stat)
    assert stolen.share() == 0.0
    stat.write_text("cpu  130 0 60 9999 99 0 10 70 0 0\ncpu0 1 2 3\n")
    assert stolen.share() == pytest.approx(0.5)
    assert measure.Stolen(tmp_path / "none").share() == 0.0


def test_a_table_shows_the_hub_only_where_it_was_measured() -> None:
    """The Hub's CPU time adds two columns."""
    hub = {name: [sample(hub_cpu=0.5)] for name in ("peer", "ours")}
    assert "Hub CPU" not in table().markdown()
    assert "| ours | 1.000 (1.000–1.000) | 1.000 |" in table(samples=hub).markdown()  # noqa: RUF001 # as printed
    assert "Hub CPU s" in table(samples=hub).markdown()


def test_results_of_other_benchmarks_stay(tmp_path: Path) -> None:
    """Repeating one benchmark keeps the other results in the document."""
    report.write([Table("first", "One", table().samples, "peer")], tmp_path)
    whole = report.write([table()], tmp_path).read_text()
    assert "## One" in whole
    assert "## A quick one" in whole
    assert json.loads((tmp_path / "quick.json").read_text())["wall_ratios"]["ours"] == 0.2


MEMORY = """
import sys
from pathlib import Path
from tests.bench import measure
for code in ("pass", "b'x' * 500_000_000"):
    sample = measure.run(measure.python("-c", code), {}, Path(sys.argv[1]))
    print(sample.wall, sample.peak_mb)
"""


def test_a_run_has_its_time_and_memory(tmp_path: Path) -> None:
    """The peak memory is that of the program, where its parent uses little, as the benchmarks do.

    Linux counts the memory of the parent until the program replaces it.
    """
    done = subprocess.run(
        measure.python("-c", MEMORY, str(tmp_path / "log")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    small, large = [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert small[0] > 0
    assert large[1] - small[1] > 100


def test_a_failing_contender_is_no_result(tmp_path: Path) -> None:
    """A program that exits with an error is not measured."""
    with pytest.raises(BenchError, match="oh no"):
        measure.run(measure.python("-c", "raise SystemExit('oh no')"), {}, tmp_path / "log")
