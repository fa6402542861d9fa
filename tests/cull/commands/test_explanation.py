"""What ``explain`` shows about servers and users."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from common.hub.models import Server, User
from services.cull.commands.explanation import explain_server, explain_user
from services.cull.policy.file import load_policy
from services.cull.policy.model import Flags, Policy, Protections

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FLAGS = Flags(timeout=3600)
POLICY = load_policy(
    """
    [[rule]]
    name = "lesson"
    group = "nbgrader-*"
    hours = { days = "mon-fri", from = "08:00", to = "14:00", timezone = "Europe/Zurich" }
    idle_timeout = "2h"
    [[rule]]
    name = "staff"
    user = ["ta-*"]
    action = "never"
    """,
    FLAGS,
)
SERVER = Server(name="gpu", ready=True, started=NOW, last_activity=NOW - timedelta(minutes=10))
ANA = User(name="ana", groups=("nbgrader-c1",), servers={"gpu": SERVER})


def in_zurich(moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo("Europe/Zurich"))


def explained(user: User, **options: object) -> str:
    return "\n".join(
        explain_server(user, SERVER, POLICY, NOW, local=in_zurich, **options)  # type: ignore[arg-type]  # rows of a table
    )


def test_the_rule_and_the_stop_are_shown() -> None:
    """The rule with its place, its effect, and the stop in UTC and local time."""
    text = explained(ANA)
    assert "server ana/gpu" in text
    assert "rule           lesson (rule 1 of 3)" in text
    assert "2026-03-02 13:50:00 UTC (14:50:00 CET), in 1 h 50 min" in text
    assert "decision       keep, because it has not reached a time limit yet" in text


def test_another_rule_that_applies_before_the_stop_is_shown() -> None:
    """The lesson ends at 14:00; under the next rule, the server is overdue by then."""
    text = explained(ANA)
    assert "rule changes   2026-03-02 13:00:00 UTC (14:00:00 CET)" in text
    assert "next rule      default (rule 3 of 3, from the command line)" in text
    assert "rule says      stop after 1 h without activity" in text
    assert "then stops     2026-03-02 13:00:00 UTC (14:00:00 CET), in 1 h" in text


def test_rule_changes_after_the_stop_are_not_shown() -> None:
    """A server that becomes due within the hours of its rule is stopped by that rule."""
    idle = msgspec.structs.replace(SERVER, last_activity=NOW - timedelta(minutes=90))
    assert "rule changes" not in "\n".join(explain_server(ANA, idle, POLICY, NOW))


def test_the_local_date_is_shown_where_it_differs() -> None:
    """Shortly before midnight in UTC, it is already the next day in Zürich."""
    late = NOW.replace(hour=23, minute=30)
    server = msgspec.structs.replace(SERVER, last_activity=late, started=late)
    text = "\n".join(explain_server(ANA, server, POLICY, late, local=in_zurich))
    assert "last active    2026-03-02 23:30:00 UTC (2026-03-03 00:30:00 CET)" in text


def test_local_times_follow_daylight_saving_time() -> None:
    """A stop after the change to summer time is shown in summer time."""
    server = msgspec.structs.replace(SERVER, last_activity=NOW, started=NOW)
    policy = Policy.from_flags(Flags(timeout=28 * 86400))
    text = "\n".join(explain_server(ANA, server, policy, NOW, local=in_zurich))
    assert "2026-03-30 12:00:00 UTC (14:00:00 CEST), in 28 days" in text


def test_a_time_at_the_end_of_the_calendar_is_shown_in_utc_only() -> None:
    """A time that cannot be converted to the local zone does not raise an error."""
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    server = msgspec.structs.replace(SERVER, last_activity=last, started=last)
    text = "\n".join(explain_server(ANA, server, POLICY, NOW, local=in_zurich))
    assert "last active    9999-12-31 23:59:00 UTC\n" in text


def test_a_server_name_cannot_control_the_terminal() -> None:
    """Users choose the names of their servers, so control characters are escaped."""
    server = msgspec.structs.replace(SERVER, name="\x1b[2J")
    text = "\n".join(explain_server(ANA, server, POLICY, NOW))
    assert "\x1b" not in text
    assert "server ana/\\x1b[2J" in text


def test_a_verdict_of_the_arbiter_hook_is_shown() -> None:
    """The hook counts here as it does in a pass."""
    idle = msgspec.structs.replace(SERVER, last_activity=NOW - timedelta(hours=3))
    text = "\n".join(explain_server(ANA, idle, POLICY, NOW, arbiter=False))
    assert "keep, because cull_arbiter_hook decided to keep it running" in text


def test_a_server_that_never_stops_has_no_stop_time() -> None:
    """The reason is shown in place of a time."""
    text = explained(User(name="ta-bob"))
    assert "its rule never stops it" in text
    assert "stops          not under this rule" in text


def test_a_hold_is_shown_and_moves_the_stop() -> None:
    """The decision names the hold, and the stop comes when it ends."""
    held = Protections(user_holds={"ana": NOW + timedelta(days=1)})
    text = explained(ANA, protections=held)
    assert "keep, because an administrator has placed a hold on it" in text
    assert "stops          2026-03-03 12:00:00 UTC" in text


def test_a_user_is_explained_with_every_server() -> None:
    """The account comes first, with the flag that keeps it from being deleted."""
    text = "\n".join(explain_user(ANA, POLICY, NOW))
    assert text.startswith("user ana")
    assert "server ana/gpu" in text
    assert "keep, because users are not deleted (--cull-users=false)" in text


def test_with_cull_users_the_deletion_is_explained() -> None:
    """The limits for users count, not those for servers."""
    policy = Policy.from_flags(Flags(timeout=3600, max_age=86400, cull_users=True))
    user = User(name="ana", created=NOW - timedelta(hours=2), last_activity=NOW)
    text = "\n".join(explain_user(user, policy, NOW))
    assert "rule says      delete after 1 h without activity or at an age of 1 day" in text
    assert "deleted        2026-03-02 13:00:00 UTC, in 1 h" in text


def test_a_rule_change_before_a_deletion_is_shown() -> None:
    """For a user, the last line is about the deletion, not about a stop."""
    policy = load_policy(
        """
        [[rule]]
        name = "exam"
        between = { from = 2026-03-02T08:00:00Z, to = 2026-03-02T14:00:00Z }
        action = "never"
        """,
        Flags(timeout=3600, cull_users=True),
    )
    lines = explain_user(idler(1), policy, NOW)
    assert "  rule changes   2026-03-02 14:00:00 UTC" in lines
    assert "  then deleted   2026-03-02 14:00:00 UTC, in 2 h" in lines


def idler(days: float, **fields: object) -> User:
    """A user without a server who was last active this many days ago."""
    seen = NOW - timedelta(days=days)
    return User(name="eve", created=NOW - timedelta(days=90), last_activity=seen, **fields)  # type: ignore[arg-type]  # rows of a table


@pytest.mark.parametrize(
    ("user", "would"),
    [
        pytest.param(
            idler(2),
            ("delete now, because it has reached its idle timeout", "in the next pass"),
            id="idle",
        ),
        pytest.param(
            idler(0),
            ("keep, because it has not reached a time limit", "2026-03-02 13:00:00 UTC, in 1 h"),
            id="active",
        ),
        pytest.param(
            idler(2, admin=True), ("keep, because administrators are not deleted", ""), id="admin"
        ),
    ],
)
def test_a_user_without_servers_is_explained(user: User, would: tuple[str, str]) -> None:
    """There is nothing to stop; ``--cull-users`` is off, and its effect is shown."""
    lines = explain_user(user, Policy.from_flags(FLAGS), NOW)
    servers, culled, then = lines[-3:]
    assert servers == "  servers        none running"
    assert f"--cull-users   is off; if it were on: {would[0]}" in culled
    assert would[1] in then


def test_with_cull_users_its_effect_is_not_shown_twice() -> None:
    """The lines above already say what happens to the user."""
    lines = explain_user(idler(2), Policy.from_flags(Flags(timeout=3600, cull_users=True)), NOW)
    assert lines[-1] == "  servers        none running"
    assert any("delete now" in line for line in lines)


def test_unreadable_servers_are_not_reported_as_none() -> None:
    """Without the scope read:servers, it is unknown whether a server is running."""
    text = "\n".join(explain_user(idler(2, problems=("servers",)), Policy.from_flags(FLAGS), NOW))
    assert "none running" not in text
    assert "unknown: the token lacks the scope read:servers" in text
