"""The steps of ``new-course``, each of which can be repeated: what exists is left unchanged."""

import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from common.errors import HubError, HubForbidden, HubNotFound
from common.hub.client import HubClient
from services.formgrader_proxy.commands.as_account import NotRun, run_as_account
from services.formgrader_proxy.commands.new_course.plan import Plan

#: The scopes that creating groups needs. They may be limited: ``admin:groups!group=NAME``.
GROUP_SCOPE, READ_SCOPE = "admin:groups", "read:groups"
_SKELETON = "services.formgrader_proxy.commands.new_course.skeleton"
_PARTS = ("source", "nbgrader_config.py")


class Outcome(StrEnum):
    """What happened to one part of the course."""

    EXISTS = "exists"
    CREATED = "created"
    PLANNED = "would create"
    FAILED = "failed"


@dataclass(frozen=True)
class Step:
    """One part of the course, and what happened to it."""

    outcome: Outcome
    what: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.outcome:<12}  {self.what}" + (f": {self.why}" if self.why else "")


def with_owner(plan: Plan) -> Plan:
    """The plan with the owner of an existing folder as its account, if the owner runs it."""
    if not plan.by_owner or not plan.directory.is_dir():
        return plan
    try:
        return replace(plan, user=plan.directory.owner())
    except (KeyError, OSError):
        return plan


def create_account(plan: Plan, *, dry_run: bool) -> Step | None:
    """The account that runs the formgrader; None if it is that of the service."""
    if plan.user is None:
        return None
    what = f"account {plan.user}"
    if _account(plan.user) is not None:
        return Step(Outcome.EXISTS, what)
    command = ["useradd", "--system", "--create-home", "--shell", "/usr/sbin/nologin", plan.user]
    if dry_run:
        return Step(Outcome.PLANNED, what, " ".join(command))
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        return Step(Outcome.FAILED, what, "useradd is not installed; create the account yourself")
    done = subprocess.run(  # noqa: S603 - no shell, and a checked name
        [program, *command[1:]], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        return Step(Outcome.FAILED, what, done.stderr.strip() or f"status {done.returncode}")
    return Step(Outcome.CREATED, what)


def create_folder(plan: Plan, *, dry_run: bool) -> Iterator[Step]:
    """The folder, with its configuration. As root, only its account writes into it."""
    path, what = plan.directory, f"folder {plan.directory}"
    owner = _account(plan.user) if plan.user else None
    try:
        if os.path.lexists(path):
            yield Step(Outcome.EXISTS, what)
            if problem := _wrong_owner(path, owner):
                yield Step(Outcome.FAILED, what, problem)
                return
        elif owner is not None and owner.pw_uid == 0:
            why = f"{owner.pw_name} would run the course's code; use another account with --user"
            yield Step(Outcome.FAILED, what, why)
            return
        elif not path.parent.is_dir():
            yield Step(Outcome.FAILED, what, f"create {path.parent} first")
            return
        elif dry_run:
            yield Step(Outcome.PLANNED, what)
        else:
            _make(path, owner)
            yield Step(Outcome.CREATED, what)
    except OSError as error:
        yield Step(Outcome.FAILED, what, f"{error.strerror}: {error.filename}")
        return
    if dry_run:
        missing = [part for part in _PARTS if not os.path.lexists(path / part)]
        yield from (Step(Outcome.PLANNED, f"{path / part}") for part in missing)
        return
    try:
        start = {"course_id": plan.course_id}
        created = run_as_account(_SKELETON, start, path, plan.user, kind=list[str], seconds=60)
    except NotRun as error:
        yield Step(Outcome.FAILED, f"{path / _PARTS[1]}", str(error))
        return
    for part in _PARTS:
        yield Step(Outcome.CREATED if part in created else Outcome.EXISTS, f"{path / part}")


async def create_groups(plan: Plan, hub: HubClient | None, *, dry_run: bool) -> AsyncIterator[Step]:
    """The Hub groups of graders and students, without members."""
    for name in plan.groups:
        what = f"group {name}"
        if hub is None:
            why = (
                "set JUPYTERHUB_API_URL and JUPYTERHUB_API_TOKEN, with the scope"
                f" {GROUP_SCOPE}, or create it on the Hub's page /hub/admin"
            )
            yield Step(Outcome.PLANNED if dry_run else Outcome.FAILED, what, why)
            continue
        try:
            if dry_run:
                yield Step(await _look_up(hub, name), what)
            else:
                created = await hub.create_group(name)
                yield Step(Outcome.CREATED if created else Outcome.EXISTS, what)
        except HubForbidden:
            scope = READ_SCOPE if dry_run else GROUP_SCOPE
            why = f"the token lacks the scope {scope}!group={name}"
            yield Step(Outcome.FAILED, what, why)
        except HubError as error:
            yield Step(Outcome.FAILED, what, str(error))


async def _look_up(hub: HubClient, name: str) -> Outcome:
    try:
        await hub.group(name)
    except HubNotFound:
        return Outcome.PLANNED
    return Outcome.EXISTS


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _make(path: Path, owner: pwd.struct_passwd | None) -> None:
    path.mkdir(mode=0o750)
    if owner is not None:
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def _wrong_owner(path: Path, owner: pwd.struct_passwd | None) -> str:
    """Why an existing folder is not used; empty if it is."""
    if path.is_symlink() or not path.is_dir():
        return "it is no folder"
    uid = owner.pw_uid if owner is not None else os.geteuid()
    if owner is not None and uid == 0:
        return "it belongs to root; change its owner to the account that should run it"
    if path.stat().st_uid != uid:
        name = owner.pw_name if owner is not None else "this account"
        return f"it does not belong to {name}; change its owner, or use --user"
    return ""
