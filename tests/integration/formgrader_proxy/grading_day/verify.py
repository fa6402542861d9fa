"""Compares what the graders know with the gradebook and the audit log."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tests.integration.formgrader_proxy.grading_day.journal import Change, Journal, Outcome


def losses(journal: Journal, gradebook: str, audit: str) -> list[str]:
    """Every contradiction, as a sentence; empty if nothing was lost and nothing was invented."""
    saved = saved_values(gradebook)
    by_path: dict[str, list[Change]] = defaultdict(list)
    for change in journal.changes:
        by_path[change.path].append(change)
    found = []
    for path, changes in by_path.items():
        found += _lost(path, changes, saved.get(path))
    rows = Counter(path for path, _ in audit_rows(audit))
    for path, changes in by_path.items():
        acknowledged = sum(change.outcome is Outcome.ACKNOWLEDGED for change in changes)
        if rows[path] < acknowledged:
            found.append(
                f"{path}: {acknowledged} acknowledged changes, {rows[path]} in the audit log"
            )
        if path in saved and not rows[path]:
            found.append(f"{path}: {saved[path]} is not in the audit log")
    found += [f"{path}: {saved[path]} was sent by no grader" for path in saved.keys() - by_path]
    return found


def _lost(path: str, changes: Sequence[Change], value: int | None) -> list[str]:
    """``value`` must be the last one that was acknowledged, or one sent later."""
    acknowledged = [
        number for number, change in enumerate(changes) if change.outcome is Outcome.ACKNOWLEDGED
    ]
    found = [
        f"{path}: {change.value} was neither acknowledged nor reported"
        for change in changes
        if change.outcome is Outcome.SENT
    ]
    values = [change.value for change in changes]
    if value is None:
        return found + [f"{path}: {values[number]} is lost" for number in acknowledged[-1:]]
    if value not in values:
        return [*found, f"{path}: {value} was never sent"]
    at = values.index(value)
    if acknowledged and at < acknowledged[-1]:
        found.append(f"{path}: {values[acknowledged[-1]]} was replaced with the earlier {value}")
    change = changes[at]
    if change.outcome is Outcome.REPORTED and not change.unclear:
        found.append(f"{path}: {value} is saved, although every response said that it was not")
    return found


def saved_values(gradebook: str) -> dict[str, int]:
    """The scores and comments in the gradebook, by path."""
    scores = rows(gradebook, "select id, manual_score from grade where manual_score is not null")
    comments = rows(
        gradebook, "select id, manual_comment from comment where manual_comment is not null"
    )
    return {f"grade/{one}": int(value) for one, value in scores} | {
        f"comment/{one}": int(value.rpartition(" ")[2]) for one, value in comments
    }


def audit_rows(audit: str) -> list[tuple[str, int | None]]:
    """The path, as in a change, and the status of each row of the audit log."""
    found = rows(audit, "select path, status from formgrader_audit order by id")
    return [("/".join(path.split("/")[-2:]), status) for path, status in found]


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, read as another program would."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg2:", 1))
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]
    finally:
        engine.dispose()
