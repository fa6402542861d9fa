"""What is left to grade in a course, in numbers."""

from collections import Counter
from collections.abc import Iterable

from services.formgrader_proxy.export.grades import AssignmentWork, Grades


def summarize(grades: Grades, drafts: Iterable[str] = ()) -> tuple[AssignmentWork, ...]:
    """The work of each assignment, in the order of the assignments, and then of the drafts.

    ``drafts`` are names of assignments that need not be in the gradebook yet.

    A submission that has to be autograded again is not counted as one to grade by hand, because
    autograding it can change what has to be graded.
    """
    submitted: Counter[str] = Counter()
    autograde: Counter[str] = Counter()
    manual: Counter[str] = Counter()
    for one in grades.submissions:
        submitted[one.assignment] += 1
        if not one.autograded:
            autograde[one.assignment] += 1
        elif one.needs_manual_grade:
            manual[one.assignment] += 1
    names = [one.name for one in grades.assignments]
    names += sorted(set(drafts).difference(names))
    return tuple(
        AssignmentWork(name, submitted[name], autograde[name], manual[name]) for name in names
    )
