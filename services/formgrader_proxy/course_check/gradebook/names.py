"""Names in a gradebook with which nbgrader or its pages fail."""

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from services.formgrader_proxy.course_check.findings import Finding, Kind
from services.formgrader_proxy.new_names import What, fault_of_stored, shown

_QUERIES = {
    What.ASSIGNMENT: ("assignment", "SELECT name FROM assignment"),
    What.NOTEBOOK: ("notebook", "SELECT DISTINCT name FROM notebook"),
    What.STUDENT: ("student", "SELECT id FROM student"),
}
_SHOWN = 5


def examine_names(engine: Engine) -> list[Finding]:
    """A warning for each kind of name. A gradebook that cannot be read has none here."""
    try:
        with engine.connect() as connection:
            return [finding for what in What if (finding := _finding(connection, what))]
    except DBAPIError:
        return []


def _finding(connection: Connection, what: What) -> Finding | None:
    table, query = _QUERIES[what]
    if not inspect(connection).has_table(table):
        return None
    faults = {
        name: fault
        for (name,) in connection.execute(text(query))
        if (fault := fault_of_stored(what, str(name)))
    }
    if not faults:
        return None
    reasons = " ".join(dict.fromkeys(faults.values()))
    return Finding(
        Kind.NAMES,
        f"{_count(len(faults), what)}: {_listed(faults)}. {reasons}",
        serious=False,
    )


def _count(number: int, what: What) -> str:
    return (
        f"1 {what} has a name with which nbgrader fails"
        if number == 1
        else (f"{number:,} {what}s have names with which nbgrader fails")
    )


def _listed(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - _SHOWN:,} more" if len(listed) > _SHOWN else ""
    return ", ".join(shown(name) for name in listed[:_SHOWN]) + more
