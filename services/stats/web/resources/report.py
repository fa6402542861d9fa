"""Asks Prometheus and the database, and puts both together for page, CSV and API."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from services.stats.days import days as each_day
from services.stats.prometheus.client import PrometheusUnavailable
from services.stats.prometheus.measurements import Answer, Measurements, choose_sampling
from services.stats.prometheus.presets import Kind
from services.stats.query.access import Audience, Viewer, WholeHub
from services.stats.query.question import Span
from services.stats.query.resources.names import Owners
from services.stats.query.resources.prices import Prices
from services.stats.query.resources.rows import ResourceRow, guarantee_share, row
from services.stats.query.resources.sums import Shown, collect
from services.stats.query.resources.usage import Use
from services.stats.store.queries.dashboard import Queries
from services.stats.store.queries.resources import ResourceRecords

NOT_CONFIGURED = "Prometheus is not configured; set --prometheus-url"

NOTHING_FOUND = (
    "Prometheus has no measurements of users' servers on these days; check --prometheus-preset,"
    " --prometheus-prefix and --prometheus-selector, and how long Prometheus keeps its data"
)


NOTHING_RAN = "no servers ran on these days, as far as is known"


@dataclass(frozen=True)
class Report:
    """The use of resources on some days, as far as the viewer may see it."""

    first: date
    last: date
    reason: str = ""
    """Why nothing is known; empty: the numbers are known."""
    step: int = 0
    """Seconds between samples."""
    total: ResourceRow = field(default_factory=lambda: ResourceRow(""))
    days: Sequence[tuple[date, ResourceRow]] = ()
    users: Sequence[ResourceRow] = ()
    groups: Sequence[ResourceRow] = ()
    other: ResourceRow | None = None
    """Of servers whose user is not certain; None if there are none, or for viewers of a group."""
    not_counted: ResourceRow | None = None
    """Of users who are not counted; None if they used nothing, or for viewers of a group."""
    guarantee_percent: float | None = None
    """The share of the measured time whose memory guarantee is known."""
    duplicates: int = 0
    """Names of servers that were in several time series; None of their use is attributed."""


@dataclass(frozen=True)
class ResourceSource:
    """Where the numbers come from; without ``measurements``, Prometheus is not configured."""

    queries: Queries
    measurements: Measurements | None
    prices: Prices

    async def report(
        self, audience: Audience, viewer: Viewer, span: Span, days: tuple[date, date]
    ) -> Report:
        """The report on days whose sessions are not pruned yet."""
        first, last = days
        if self.measurements is None:
            return Report(first, last, NOT_CONFIGURED)
        records = await self.queries.resources(audience, viewer, first, last)
        sampling = choose_sampling(first, last, sum(records.server_seconds.values()))
        try:
            answer = await self.measurements.read(
                first, last, span.last_poll, self.queries.zone, sampling
            )
        except PrometheusUnavailable as error:
            return Report(first, last, str(error))
        whole_hub = isinstance(audience, WholeHub)
        return await asyncio.to_thread(self._report, records, answer, days, whole_hub)

    def _report(
        self, records: ResourceRecords, answer: Answer, days: tuple[date, date], whole_hub: bool
    ) -> Report:
        assert self.measurements is not None  # noqa: S101 - see report()
        expressions, prices = self.measurements.expressions, self.prices
        if not answer.daily:
            return Report(*days, NOTHING_FOUND if records.server_seconds else NOTHING_RAN)
        owners = Owners(records.users, expressions.spawned, expressions.prefix)
        found = collect(
            answer.daily,
            owners,
            records.server_seconds,
            Shown(records.windows, records.groups),
            each_day(*days),
        )
        names = {user.id: user.name for user in records.users}

        def beside(use: Use) -> ResourceRow | None:
            """What is not in the total; only viewers of the whole hub may see it."""
            used = use.memory.measured or use.cpu.measured
            return row("", use, prices) if whole_hub and used else None

        return Report(
            *days,
            step=answer.step,
            total=row("", found.total, prices),
            days=[(day, row("", use, prices)) for day, use in sorted(found.days.items())],
            users=[
                row(names[user], use, prices, deleted=user in records.deleted)
                for user, use in found.users.items()
                if user in names  # not forgotten in the meantime
            ],
            groups=[row(group, use, prices) for group, use in sorted(found.groups.items())],
            other=beside(found.other),
            not_counted=beside(found.rest),
            guarantee_percent=guarantee_share(found.total.memory)
            if Kind.MEMORY_GUARANTEE in answer.kinds
            else None,
            duplicates=answer.duplicates if whole_hub else 0,
        )
