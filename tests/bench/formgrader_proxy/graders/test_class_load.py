"""What the benchmark of a class reports, and what it does not accept."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.formgrader_proxy.graders.class_load import Record, check
from tests.bench.measure import BenchError


def gradebook(directory: Path, **scores: float) -> Path:
    """A course whose gradebook contains only these scores."""
    with closing(sqlite3.connect(directory / "gradebook.db")) as database, database:
        database.execute("create table grade (id text, manual_score real)")
        database.executemany("insert into grade values (?, ?)", scores.items())
    return directory


@pytest.mark.parametrize(
    ("took", "expected"),
    [([1.0], 1.0), ([float(n) for n in range(1, 101)], 95.0), ([0.1] * 19 + [9.0], 0.1)],
    ids=["one", "a hundred", "one of twenty is slow"],
)
def test_the_95th_percentile(took: list[float], expected: float) -> None:
    """95 % of the requests took no longer."""
    assert Record(took).p95 == expected


def test_every_saved_score_has_to_be_there(tmp_path: Path) -> None:
    """A run that loses one is not a result."""
    course = gradebook(tmp_path, a=1.0, b=2.0)
    check(course, Record(saved={"a": 1.0}))
    with pytest.raises(BenchError, match="1 of 2 saved scores are lost"):
        check(course, Record(saved={"a": 1.0, "b": 3.0}))


def test_no_request_may_fail(tmp_path: Path) -> None:
    """The first failure is named."""
    with pytest.raises(BenchError, match="database is locked"):
        check(gradebook(tmp_path), Record(failed=["500 database is locked"]))
