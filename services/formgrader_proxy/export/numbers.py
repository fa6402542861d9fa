"""Scores as numbers for a file. Pure."""

from services.formgrader_proxy.export.grades import Submission
from services.formgrader_proxy.export.options import Missing, Options, Unfinished

#: More than any platform keeps: Moodle stores 5 decimal places, Canvas compares 2.
_DECIMALS = 6


def number(value: float | None) -> int | float | None:
    """The number as people write it: 7 instead of 7.0, 0.3 instead of 0.30000000000000004."""
    if value is None:
        return None
    rounded = round(value, _DECIMALS)
    return int(rounded) if rounded.is_integer() else rounded


def final_score(submission: Submission | None, options: Options) -> int | float | None:
    """The score of a submission in an import file; None is an empty cell."""
    if submission is None:
        return 0 if options.missing is Missing.ZERO else None
    if not submission.is_final and options.unfinished is Unfinished.EMPTY:
        return None
    return number(submission.score)
