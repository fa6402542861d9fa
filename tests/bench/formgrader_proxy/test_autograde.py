"""The autograding benchmark's own arithmetic."""

import pytest

pytest.importorskip("nbgrader")
from tests.bench.formgrader_proxy.autograde import BARE, verdict
from tests.bench.measure import Sample


def walls(*seconds: float) -> list[Sample]:
    return [Sample(wall=wall, cpu=1.0, peak_mb=1.0) for wall in seconds]


@pytest.mark.parametrize(
    ("added", "expected"),
    [(0.29, "Met: landlock adds 0.290 s"), (0.31, "MISSED: landlock adds 0.310 s")],
)
def test_the_target(added: float, expected: str) -> None:
    """The median of the differences counts, so a turn on a busy machine does not."""
    samples = {BARE: walls(1.0, 5.0, 1.5), "landlock": walls(1.0 + added, 9.0, 1.5 + added)}
    assert verdict("landlock", samples).startswith(expected)
