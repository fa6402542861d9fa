"""Refuses names with which nbgrader would fail later, when something gets the name.

What already exists keeps working as far as it does.
"""

import json
from pathlib import Path
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader import apihandlers
from tornado.web import HTTPError

from services.formgrader_proxy.new_names import What, fault_of_new


class NewAssignment:
    """Mixed into the handler that creates an assignment, or changes its due date."""

    def put(self, assignment_id: str) -> Any:
        """:raises HTTPError: 400, the name is new and cannot be used"""
        handler: Any = self
        fault = fault_of_new(What.ASSIGNMENT, assignment_id)
        if fault and handler.current_user and not _exists(handler, assignment_id):
            raise HTTPError(400, fault)
        return super().put(assignment_id)  # type: ignore[misc]


class NewStudent:
    """Mixed into the handler that creates or changes a student."""

    def put(self, student_id: str) -> Any:
        """:raises HTTPError: 400, the student is new and the ID cannot be used"""
        handler: Any = self
        fault = fault_of_new(What.STUDENT, student_id)
        if fault and handler.current_user and not _enrolled(handler, student_id):
            raise HTTPError(400, fault)
        return super().put(student_id)  # type: ignore[misc]


class NewNotebooks:
    """Mixed into the handler that makes the version for students from an assignment's source."""

    def post(self, assignment_id: str) -> Any:
        """Answer as nbgrader does for an assignment that cannot be made."""
        handler: Any = self
        faults = _faults_in_source(handler, assignment_id) if handler.current_user else []
        if not faults:
            return super().post(assignment_id)  # type: ignore[misc]
        text = "\n".join(["Nothing was changed. Rename this before you release it:", *faults])
        return handler.write(json.dumps({"success": False, "log": text, "error": None}))


def mixins(handler: type) -> tuple[type, ...]:
    """What to mix into a handler of nbgrader, or into one made from it."""
    found = (
        (apihandlers.AssignmentHandler, NewAssignment),
        (apihandlers.StudentHandler, NewStudent),
        (apihandlers.AssignHandler, NewNotebooks),
    )
    return tuple(mixin for kind, mixin in found if issubclass(handler, kind))


def _faults_in_source(handler: Any, assignment_id: str) -> list[str]:
    known = _assigned(handler, assignment_id)
    names = [] if known else [(What.ASSIGNMENT, assignment_id)]
    source = _source(handler, assignment_id)
    notebooks = sorted(path.stem for path in source.glob("*.ipynb")) if source.is_dir() else []
    names += [(What.NOTEBOOK, name) for name in notebooks if name not in known]
    return [fault for what, name in names if (fault := fault_of_new(what, name))]


def _assigned(handler: Any, assignment_id: str) -> set[str]:
    """The notebooks of the assignment as it was last made; empty if it never was."""
    try:
        return {one.name for one in handler.gradebook.find_assignment(assignment_id).notebooks}
    except MissingEntry:
        return set()
    finally:
        # nbgrader opens sessions of its own, which would wait for this one's lock.
        handler.gradebook.close()


def _exists(handler: Any, assignment_id: str) -> bool:
    """Whether there is such an assignment, or a folder that somebody made for it."""
    try:
        handler.gradebook.find_assignment(assignment_id)
    except MissingEntry:
        return _source(handler, assignment_id).is_dir()
    return True


def _source(handler: Any, assignment_id: str) -> Path:
    course = handler.coursedir
    return Path(course.format_path(course.source_directory, ".", assignment_id))


def _enrolled(handler: Any, student_id: str) -> bool:
    try:
        handler.gradebook.find_student(student_id)
    except MissingEntry:
        return False
    return True
