"""Turns a report into the API's responses. Pure."""

from datetime import date
from typing import Any

from services.stats.query.resources.figures import paginate
from services.stats.query.resources.prices import Prices
from services.stats.query.resources.rows import ResourceRow
from services.stats.web.resources.report import Report
from services.stats.web.resources.types import (
    CostAnswer,
    CostView,
    DayUseView,
    NamedUseView,
    ResourcesAnswer,
    UseView,
)

NO_RECORDS = "there are no records of these days"


def resources(report: Report | None, timezone: str, page: int) -> ResourcesAnswer:
    """``report`` is None if there are no records."""
    rows = sorted(report.users if report else (), key=lambda row: (row.name.casefold(), row.name))
    found = paginate(rows, page)
    known = report is not None and not report.reason
    return ResourcesAnswer(
        **_availability(report, timezone),
        step_seconds=report.step if report and known else None,
        guarantee_percent=report.guarantee_percent if report else None,
        total=UseView(**_use(report.total)) if report and known else None,
        days=[DayUseView(day=day.isoformat(), **_use(row)) for day, row in _days(report)],
        groups=[NamedUseView(name=row.name, **_use(row)) for row in report.groups]
        if report
        else [],
        users=[NamedUseView(name=row.name, **_use(row)) for row in found.rows],
        other=UseView(**_use(report.other)) if report and report.other else None,
        not_counted=UseView(**_use(report.not_counted)) if report and report.not_counted else None,
        total_users=found.total,
        page=found.page,
        pages=found.pages,
    )


def cost(report: Report | None, timezone: str, prices: Prices) -> CostAnswer:
    """``report`` is None if there are no records."""
    known = report is not None and not report.reason
    return CostAnswer(
        **_availability(report, timezone),
        currency=prices.currency,
        price_memory_gb_hour=prices.memory_gb_hour,
        price_cpu_hour=prices.cpu_hour,
        base=prices.base,
        formula=prices.formula if prices else "",
        total=_cost(report.total) if report and known else None,
        groups=[_cost(row) for row in report.groups] if report else [],
    )


def _days(report: Report | None) -> list[tuple[date, ResourceRow]]:
    return list(report.days) if report else []


def _cost(row: ResourceRow) -> CostView:
    return CostView(**{name: getattr(row, name) for name in CostView.__struct_fields__})


def _use(row: ResourceRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in UseView.__struct_fields__}


def _availability(report: Report | None, timezone: str) -> dict[str, Any]:
    reason = NO_RECORDS if report is None else report.reason
    return {
        "first": report.first if report else None,
        "last": report.last if report else None,
        "timezone": timezone,
        "available": not reason,
        "reason": reason or None,
    }
