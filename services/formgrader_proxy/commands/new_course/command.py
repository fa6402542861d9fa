"""``new-course ID``: runs the steps and prints what each did."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from common.hub.client import HubClient
from services.formgrader_proxy.commands.new_course.courses_entry import (
    NotWritten,
    append_entry,
    read_text,
    with_entry,
)
from services.formgrader_proxy.commands.new_course.plan import Request, make_plan
from services.formgrader_proxy.commands.new_course.steps import (
    Outcome,
    Step,
    create_account,
    create_folder,
    create_groups,
    with_owner,
)


async def new_course(
    path: Path,
    request: Request,
    hub: HubClient | None,
    check: Callable[[str], object],
    *,
    dry_run: bool,
) -> AsyncIterator[Step]:
    """Create what is missing for a course. ``check`` loads the text of a courses file.

    The entry in the courses file comes last, because the course is served from then on.

    :raises ConfigError: the request or the courses file is invalid; nothing was created
    """
    text = await asyncio.to_thread(read_text, path)
    check(text)
    plan = with_owner(make_plan(text, request))
    if plan.entry is not None:  # before anything is created
        check(with_entry(text, plan.entry))
    complete = True
    steps = []
    if account := create_account(plan, dry_run=dry_run):
        steps.append(account)
        yield account
    if not any(step.outcome is Outcome.FAILED for step in steps):
        for step in create_folder(plan, dry_run=dry_run):
            complete &= step.outcome is not Outcome.FAILED
            yield step
    else:
        complete = False
    async for step in create_groups(plan, hub, dry_run=dry_run):
        yield step
    what = f"entry in {path}"
    if plan.entry is None:
        yield Step(Outcome.EXISTS, what)
    elif dry_run:
        yield Step(Outcome.PLANNED, what, "\n\n" + plan.entry)
    elif not complete:
        yield Step(Outcome.FAILED, what, "it is added when the folder exists")
    else:
        try:
            append_entry(path, text, plan.entry, check)
            yield Step(Outcome.CREATED, what)
        except NotWritten as error:
            yield Step(Outcome.FAILED, what, str(error))
