"""The courses of a user, with what is left to grade, what happened last, and who is grading."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.clock import Clock
from common.errors import StoreError
from common.oauth.sign_in import Identity
from services.formgrader_proxy.access import Role, role_in
from services.formgrader_proxy.export.grades import AssignmentWork
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.store.audit import Audit, Change
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.web.activity import Activity
from services.formgrader_proxy.web.figures import Figures, KnownFigures
from services.formgrader_proxy.web.trouble import sentence, trouble_of

#: A course is recently used for this long after its last change.
RECENT = timedelta(days=14)
_ROLES = {Role.GRADER: "a grader", Role.INSTRUCTOR: "an instructor", Role.ADMIN: "an administrator"}


@dataclass(frozen=True)
class LastChange:
    """The last change in a course. ``user`` is None for those who may not read the audit log."""

    at: datetime
    action: str
    user: str | None = None


@dataclass(frozen=True)
class CourseSummary:
    """One course in a user's list.

    The figures are None while they are unknown; otherwise ``as_of`` is their time. ``to_grade`` is
    also None if the formgrader does not report it. ``jobs`` is the number of running jobs.
    """

    id: str
    title: str
    role: str
    state: str
    trouble: str | None
    may_read_audit: bool
    may_read_log: bool
    assignments: int | None
    submissions: int | None
    may_export: bool = False
    to_grade: tuple[AssignmentWork, ...] | None = None
    as_of: datetime | None = None
    last_change: LastChange | None = None
    grading_now: tuple[str, ...] = ()
    jobs: int | None = None

    @property
    def trouble_sentence(self) -> str:
        """The trouble as the page shows it; empty without any."""
        return sentence(self.trouble)

    @property
    def left(self) -> tuple[AssignmentWork, ...]:
        """The assignments with something left to grade."""
        return tuple(
            one for one in self.to_grade or () if one.needs_autograde or one.needs_manual_grade
        )

    def is_current(self, now: datetime) -> bool:
        """Whether something is left to grade, somebody is grading, or it was used recently."""
        recent = self.last_change is not None and now - self.last_change.at < RECENT
        return bool(self.left or self.grading_now or self.jobs or recent)


class CourseList:
    """Summarizes courses for users."""

    def __init__(
        self,
        site: Site,
        formgraders: Formgraders,
        audit: Audit,
        activity: Activity,
        clock: Clock,
        *,
        running_jobs: Callable[[str], int] | None = None,
    ) -> None:
        """``running_jobs`` is the number of a course's running jobs, where there are jobs."""
        self._site = site
        self._formgraders = formgraders
        self._audit = audit
        self._activity = activity
        self._figures = KnownFigures(clock)
        self._running_jobs = running_jobs

    async def close(self) -> None:
        """Abandon requests for figures."""
        await self._figures.close()

    async def of(self, user: Identity) -> list[CourseSummary]:
        """The courses in which the user has a role, from the current courses file, by id."""
        await self._formgraders.refresh()
        own = [
            (formgrader, role)
            for formgrader in self._formgraders.all()
            if (role := self._role(user, formgrader)) is not Role.NOBODY
        ]
        await self._figures.refresh([formgrader for formgrader, _ in own])
        changes = await self._last_changes(one.course.id for one, _ in own)
        return [
            self._summary(formgrader, role, changes.get(formgrader.course.id))
            for formgrader, role in own
        ]

    def _role(self, user: Identity, formgrader: Formgrader) -> Role:
        return role_in(user, formgrader.course.groups, self._site.administrators)

    async def _last_changes(self, courses: Iterable[str]) -> dict[str, Change]:
        try:
            return await self._audit.latest(courses)
        except StoreError:  # the list is useful without them
            return {}

    def _summary(self, formgrader: Formgrader, role: Role, change: Change | None) -> CourseSummary:
        course = formgrader.course
        figures: Figures | None = self._figures.of(formgrader)
        may_read_audit = role >= Role.INSTRUCTOR
        return CourseSummary(
            id=course.id,
            title=course.title,
            role=_ROLES[role],
            state=formgrader.state,
            trouble=trouble_of(formgrader, role),
            may_read_audit=may_read_audit,
            may_read_log=role is Role.ADMIN and formgrader.pool is not None,
            assignments=figures.assignments if figures else None,
            submissions=figures.submissions if figures else None,
            may_export=role >= Role.INSTRUCTOR,
            to_grade=figures.to_grade if figures else None,
            as_of=figures.at if figures else None,
            last_change=_last_change(change, with_user=may_read_audit) if change else None,
            grading_now=self._activity.present(course.id),
            jobs=self._running_jobs(course.id) if self._running_jobs else None,
        )


def _last_change(change: Change, *, with_user: bool) -> LastChange:
    return LastChange(change.at, change.action, change.user if with_user else None)


def matching(courses: Sequence[CourseSummary], text: str) -> list[CourseSummary]:
    """The courses whose title or id contains every word of the text, in any case."""
    words = text.casefold().split()
    return [
        course
        for course in courses
        if all(word in f"{course.title} {course.id}".casefold() for word in words)
    ]


def in_order(courses: Sequence[CourseSummary], now: datetime) -> list[CourseSummary]:
    """Current courses first, and both kinds by title."""
    return sorted(courses, key=lambda one: (not one.is_current(now), one.title.casefold(), one.id))
