"""``check-courses``: what a courses file configures, and what is wrong with its courses."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from services.formgrader_proxy.commands.examine_course import examine_course
from services.formgrader_proxy.commands.isolation import isolation
from services.formgrader_proxy.course_check.findings import Finding
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.gradebook.reads.agreement import agreement_warning

#: Courses that are checked at the same time. Each check takes one to two seconds of CPU.
AT_ONCE = 4


@dataclass(frozen=True)
class _Report:
    """What was found out about one course. ``sandbox`` is None for an external formgrader."""

    findings: list[Finding]
    sandbox: str | None


def check_courses(name: str, courses: Mapping[str, Course], write: Callable[[str], None]) -> int:
    """Write a report on the valid courses file called ``name``, line by line.

    Returns the exit code: 1 if a course cannot be served.
    """
    write(f"{name} is valid:" if courses else f"{name} is valid, but contains no course.")
    if warning := agreement_warning():
        write(f"     warning: {warning}")
    problems = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for course, report in zip(
            courses.values(), pool.map(_examine, courses.values()), strict=True
        ):
            for line in _description(course):
                write(line)
            for finding in report.findings:
                write(f"     {'PROBLEM' if finding.serious else 'warning'}: {finding.text}")
                problems += finding.serious
            if report.sandbox is not None:
                write(f"     sandbox: {report.sandbox}")
    if problems:
        write(f"{problems} {'problem' if problems == 1 else 'problems'} found.")
    return 1 if problems else 0


def _examine(course: Course) -> _Report:
    if course.directory is None:
        return _Report([], None)
    findings = examine_course(course)
    return _Report(findings, isolation(course.directory, course.user, course.autograding))


def _description(course: Course) -> list[str]:
    instructors = ", ".join(sorted(course.groups.instructors)) or "the graders"
    return [
        f"{course.id}: {course.directory or course.url}",
        f"     graders: {', '.join(sorted(course.groups.graders))}",
        f"     instructors: {instructors}",
    ]
