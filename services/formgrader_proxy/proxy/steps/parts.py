"""What the steps of a request need of the service."""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from common.clock import Clock
from common.oauth.sign_in import Identity, SignIn
from services.formgrader_proxy.access import Role, role_in
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.jobs.jobs import Jobs
from services.formgrader_proxy.metrics import FormgraderMetrics
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.store.audit import Audit
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.web.courses.activity import Activity


@dataclass(frozen=True)
class Parts:
    """The parts of the running service. ``stopping`` is set when it shuts down."""

    site: Site
    formgraders: Formgraders
    sign_in: SignIn
    audit: Audit
    metrics: FormgraderMetrics
    clock: Clock
    activity: Activity
    jobs: Jobs
    stopping: asyncio.Event

    @cached_property
    def prefix(self) -> tuple[str, ...]:
        """The segments of the service's prefix, decoded."""
        return tuple(unquote(part) for part in self.site.prefix.split("/") if part)

    def role(self, identity: Identity, course: Course) -> Role:
        """The role of a user in a course."""
        return role_in(identity, course.groups, self.site.administrators)
