"""The tables and charts of the page about resources."""

from datetime import date, timedelta

import pytest

from services.stats.query.question import InvalidQuery
from services.stats.query.resources.figures import ResourceTable, over_time, paginate, table
from services.stats.query.resources.prices import Prices
from services.stats.query.resources.rows import ResourceRow

DAY = date(2026, 3, 2)


def row(name: str = "", **values: float) -> ResourceRow:
    """A row with some memory."""
    return ResourceRow(name, **{"memory_gb_hours": 1.0, "measured_percent": 100.0} | values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("last", "today", "incomplete", "so_far"),
    [
        (9, 9, {1}, {}),  # only 89 % measured
        (2, 2, {1, 2}, {2}),
        (2, 3, {1, 2}, {}),  # the recorder stopped: the day is over, but not all recorded
    ],
)
def test_lower_bounds_stay_out_of_charts(
    last: int, today: int, incomplete: set[int], so_far: set[int]
) -> None:
    """Today and days that were partly measured are marked; unmeasured ones have no number."""
    rows = [row(), row(measured_percent=89.9), row(), ResourceRow("")]
    days = [(DAY + timedelta(days=number), one) for number, one in enumerate(rows)]
    figure = over_time("memory", days, DAY + timedelta(last), DAY + timedelta(today))
    assert figure.incomplete == incomplete
    assert figure.so_far.keys() == set(so_far)
    assert figure.unobserved_rows == 1


def test_unknown_numbers_come_last() -> None:
    """In both directions; rows with equal numbers are sorted by name."""
    rows = [row("c"), ResourceRow("x"), row("b", memory_gb_hours=2), row("a")]
    up = ResourceTable.parse({"sort": "memory_gb_hours"}).search(rows)
    down = ResourceTable.parse({}).search(rows)
    assert [one.name for one in up] == ["a", "c", "b", "x"]
    assert [one.name for one in down] == ["b", "a", "c", "x"]
    assert ResourceTable.parse({}).sort_by("memory_gb_hours") == "memory_gb_hours"
    assert ResourceTable.parse({}).sort_by("cpu_hours") == "-cpu_hours"


def test_every_mistake_at_once() -> None:
    """Sort order, page and search text are checked together."""
    with pytest.raises(InvalidQuery) as raised:
        ResourceTable.parse({"sort": "x", "page": "0", "q": "a" * 300})
    assert len(raised.value.problems) == 3


def test_pages() -> None:
    """A page beyond the last is the last one."""
    found = paginate([row(str(number)) for number in range(120)], 9)
    assert (found.page, found.pages, len(found.rows)) == (3, 3, 20)
    assert paginate([], 1).pages == 1


def test_no_cost_without_prices() -> None:
    """The column exists only if there are prices."""
    for prices, shown in ((Prices(), False), (Prices(1), True)):
        columns = [column.key for column in table("x", [row("a")], prices).columns]
        assert ("cost" in columns) is shown
