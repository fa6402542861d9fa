"""The table of a dry run."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from common.hub.models import Server, User
from services.cull.commands.dry_run import dry_run
from services.cull.passes.listing.survey import Survey
from services.cull.passes.results import Tally
from services.cull.policy.decide import decide_server, decide_user
from services.cull.policy.model import Flags, Policy

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def survey(policy: Policy, *users: User) -> Survey:
    """What a pass finds, given these users."""
    found = Survey(Tally(), by_user=policy.flags.cull_users, keep_servers=True)
    for user in users:
        servers = user.servers.values()
        decisions = {one.name: decide_server(user, one, policy, NOW) for one in servers}
        found.add(user, decisions, decide_user(user, policy, NOW))
    return found


def server(name: str = "", *, idle: float) -> Server:
    """A ready server that has been idle for some minutes."""
    active = NOW - timedelta(minutes=idle)
    return Server(name=name, ready=True, started=NOW - timedelta(hours=9), last_activity=active)


def user(name: str, *servers: Server, idle: float = 0) -> User:
    """A user with these servers, last active some minutes ago."""
    return User(
        name=name,
        created=NOW - timedelta(days=90),
        last_activity=NOW - timedelta(minutes=idle),
        servers={one.name: one for one in servers},
    )


def rows(flags: Flags, *users: User) -> list[str]:
    """The lines of the table below its head, with single spaces, and the summary."""
    policy = Policy.from_flags(flags)
    return [" ".join(line.split()) for line in dry_run(survey(policy, *users), policy, NOW)[1:]]


def test_servers_are_listed_in_the_order_of_their_stops() -> None:
    """Due servers come first, and later ones show how long is left."""
    busy, idle = user("busy", server(idle=1)), user("idle", server(idle=120))
    assert rows(Flags(timeout=3600), busy, idle) == [
        "now stop idle (default) 2 h default it has reached its idle timeout",
        "in 59 min stop busy (default) 1 min default it has not reached a time limit yet",
        "1 due now, 1 due later; checked 2 servers of 2 users."
        " This was a dry run: nothing was stopped.",
    ]


@pytest.mark.parametrize("idle", [1, 120], ids=["later", "now"])
def test_a_removal_is_shown_as_such(idle: float) -> None:
    """Named servers are removed with --remove-named-servers, default servers only stopped."""
    flags = Flags(timeout=3600, remove_named_servers=True)
    lines = rows(flags, user("ana", server(idle=idle), server("lab", idle=idle)))
    assert any(" stop ana (default)" in line for line in lines)
    assert any(" remove ana lab" in line for line in lines)


def test_users_to_be_deleted_are_listed() -> None:
    """A user line has no server."""
    lines = rows(Flags(timeout=3600, cull_users=True), user("eve", idle=180))
    assert lines[0] == "now delete user eve 3 h default it has reached its idle timeout"


def test_servers_that_never_stop_are_not_listed() -> None:
    """They are only counted, and without any line there is no table."""
    policy = Policy.from_flags(Flags(cull_default_servers=False))
    found = survey(policy, user("ana", server(idle=120)))
    [summary] = dry_run(found, policy, NOW)
    assert summary.startswith("0 due now, 0 due later; checked 1 servers of 1 users.")


def test_what_an_account_would_lose_is_shown() -> None:
    """A grader's membership is not restored when they sign in again."""
    flags = Flags(timeout=3600, cull_users=True, cull_group_members=True)
    eve = msgspec.structs.replace(user("eve", idle=180), groups=("formgrade-101", "ta"))
    assert rows(flags, eve)[0].endswith("; loses the groups formgrade-101, ta")
    spared = Policy.from_flags(Flags(timeout=3600, cull_users=True))
    [line] = dry_run(survey(spared, eve), spared, NOW)
    assert line.startswith("0 due now, 0 due later")
