"""What an administrator reads of the policy."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from common.hub.models import Server, User
from services.cull.commands.explanation import explain_server, explain_user
from services.cull.commands.terminal import table
from services.cull.policy.describe import describe_policy
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


def test_it_names_the_rule_and_the_time() -> None:
    """Which rule holds, and when the server would stop, in UTC and in local time."""
    text = explained(ANA)
    assert "server ana/gpu" in text
    assert "lesson (number 1 of 3)" in text
    assert "2026-03-02 13:50:00 UTC (14:50:00 CET), in 1 h 50 min" in text
    assert "not idle for long enough" in text


def test_it_says_when_another_rule_takes_over_before_the_stop() -> None:
    """The lesson's hours are over at 14:00, and by the next rule the server is overdue then."""
    text = explained(ANA)
    assert "but from       2026-03-02 13:00:00 UTC (14:00:00 CET)" in text
    assert "there holds    default (the last one, made of the flags)" in text
    assert "which says     stop after 1 h without activity" in text
    assert "and so stops   2026-03-02 13:00:00 UTC (14:00:00 CET), in 1 h" in text


def test_it_says_nothing_of_changes_that_come_after_the_stop() -> None:
    """Who is idle for long enough within the hours is stopped within them."""
    idle = msgspec.structs.replace(SERVER, last_activity=NOW - timedelta(minutes=90))
    assert "but from" not in "\n".join(explain_server(ANA, idle, POLICY, NOW))


def test_the_date_is_said_where_it_is_another_one() -> None:
    """Shortly before midnight in UTC it is tomorrow in Zürich."""
    late = NOW.replace(hour=23, minute=30)
    server = msgspec.structs.replace(SERVER, last_activity=late, started=late)
    text = "\n".join(explain_server(ANA, server, POLICY, late, local=in_zurich))
    assert "last active    2026-03-02 23:30:00 UTC (2026-03-03 00:30:00 CET)" in text


def test_local_times_know_of_summer_time() -> None:
    """What is due after the change of the clocks is shown by the clocks of then."""
    server = msgspec.structs.replace(SERVER, last_activity=NOW, started=NOW)
    policy = Policy.from_flags(Flags(timeout=28 * 86400))
    text = "\n".join(explain_server(ANA, server, policy, NOW, local=in_zurich))
    assert "2026-03-30 12:00:00 UTC (14:00:00 CEST), in 28 days" in text


def test_garbage_at_the_end_of_the_calendar_breaks_nothing() -> None:
    """A time that no clock of the zone can show is shown in UTC alone."""
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    server = msgspec.structs.replace(SERVER, last_activity=last, started=last)
    text = "\n".join(explain_server(ANA, server, POLICY, NOW, local=in_zurich))
    assert "last active    9999-12-31 23:59:00 UTC\n" in text


def test_a_name_cannot_write_on_the_terminal() -> None:
    """Users choose the names of their servers."""
    server = msgspec.structs.replace(SERVER, name="\x1b[2J")
    text = "\n".join(explain_server(ANA, server, POLICY, NOW))
    assert "\x1b" not in text
    assert "server ana/\\x1b[2J" in text


def test_the_arbiters_word_is_explained() -> None:
    """The hook of an administrator decides here as it does in a pass."""
    idle = msgspec.structs.replace(SERVER, last_activity=NOW - timedelta(hours=3))
    text = "\n".join(explain_server(ANA, idle, POLICY, NOW, arbiter=False))
    assert "kept, because cull_arbiter_hook says so" in text


def test_it_says_why_a_server_never_stops() -> None:
    """No time is made up where there is none."""
    text = explained(User(name="ta-bob"))
    assert "its rule never stops it" in text
    assert "not as things stand" in text


def test_it_knows_of_holds() -> None:
    """A hold moves the time, and is named."""
    held = Protections(user_holds={"ana": NOW + timedelta(days=1)})
    assert "an administrator holds it" in explained(ANA, protections=held)


def test_a_user_is_explained_with_every_server() -> None:
    """The user as a whole first."""
    text = "\n".join(explain_user(ANA, POLICY, NOW))
    assert text.startswith("user ana")
    assert "server ana/gpu" in text
    assert "users are not culled" in text


def test_a_user_who_is_culled_is_explained() -> None:
    """By the times for users, not by those for servers."""
    policy = Policy.from_flags(Flags(timeout=3600, max_age=86400, cull_users=True))
    user = User(name="ana", created=NOW - timedelta(hours=2), last_activity=NOW)
    text = "\n".join(explain_user(user, policy, NOW))
    assert "the rule says  delete after 1 h without activity or at an age of 1 day" in text
    assert "would go       2026-03-02 13:00:00 UTC, in 1 h" in text


def test_a_policy_is_told_in_words() -> None:
    """check-policy shows what was understood, so that a slip is seen."""
    text = "\n".join(describe_policy(POLICY))
    assert "1. lesson: stop after 2 h without activity; a user may add 1 h, 3 times a day" in text
    assert "for groups nbgrader-*, Mon,Tue,Wed,Thu,Fri 08:00-14:00 (Europe/Zurich)" in text
    assert "2. staff: never stop" in text
    assert "for everything else" in text


RULES = {
    "stop": ("idle_timeout = '1h'", "stop after 1 h without activity; a user may add 1 h, 3 times"),
    "age": ("idle_timeout = 'never'\nmax_age = '8h'", "x: stop at an age of 8 h; a user"),
    "both": ("max_age = '8h'", "stop after 1 h without activity or at an age of 8 h"),
    "neither": ("idle_timeout = 'never'", "x: never stop (neither idle_timeout nor max_age)"),
    "once": ("extensions_per_day = 1", "a user may add 1 h, once a day"),
    "no extension": ("extend_by = 'never'", "x: stop after 1 h without activity\n"),
    "remove": ("action = 'remove'", "x: stop, and remove if named, after 1 h"),
    "remove named": ("action = 'remove'\nkind = 'named'", "x: remove after 1 h without"),
    "everything": ("action = 'never'", "x: never stop\n     for everything\n"),
    "admins": ("action = 'never'\nadmin = true", "for administrators"),
    "no admins": ("action = 'never'\nadmin = false", "for who is no administrator"),
    "servers": ("action = 'never'\nserver = ['a', 'b*']", "for servers a or b*"),
    "whole days": (
        "action = 'never'\nhours = {days = 'sat-sun', timezone = 'UTC'}",
        "for Sat,Sun all day (UTC)",
    ),
    "a day from morning to morning": (
        "action = 'never'\nhours = {days = 'mon', from = '08:00', to = '08:00', timezone = 'UTC'}",
        "for Mon 08:00-08:00 (UTC)",
    ),
    "an exam": (
        "action = 'never'\nbetween = {from = 2026-06-01T08:00:00+02:00, to = 2026-06-01T12:00:00Z}",
        "for from 2026-06-01 06:00 to 2026-06-01 12:00 UTC",
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_a_rule_is_told_in_words(case: str) -> None:
    """What was understood of each key can be read."""
    text, words = RULES[case]
    policy = load_policy(f"[[rule]]\nname = 'x'\n{text}", FLAGS)
    assert words in "\n".join(describe_policy(policy)), describe_policy(policy)


def test_a_table_keeps_its_columns_under_wide_characters() -> None:
    """A name in Chinese characters takes two columns each."""
    lines = table(["user", "why"], [["名前", "idle"], ["ana", "idle"]])
    assert lines == ["user  why", "名前  idle", "ana   idle"]


def test_a_table_shows_control_characters_and_does_not_send_them() -> None:
    """A user's name cannot write on an administrator's terminal."""
    lines = table(["user", "why"], [["evil\x1b[31m\n", "idle"], ["名前", "idle"]])
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)
    assert "\\x1b" in lines[1]


def idler(days: float, **fields: object) -> User:
    """Somebody without a server, who was last seen so many days ago."""
    seen = NOW - timedelta(days=days)
    return User(name="eve", created=NOW - timedelta(days=90), last_activity=seen, **fields)  # type: ignore[arg-type]  # rows of a table


@pytest.mark.parametrize(
    ("user", "would"),
    [
        pytest.param(
            idler(2), ("due to be deleted, because it has been idle", "at the next pass"), id="idle"
        ),
        pytest.param(
            idler(0),
            ("kept, because it is not idle", "2026-03-02 13:00:00 UTC, in 1 h"),
            id="active",
        ),
        pytest.param(idler(2, admin=True), ("kept, because administrators are", ""), id="admin"),
    ],
)
def test_it_says_what_becomes_of_a_user_without_servers(user: User, would: tuple[str, str]) -> None:
    """There is nothing to stop; and what --cull-users would do, where it is off."""
    lines = explain_user(user, Policy.from_flags(FLAGS), NOW)
    servers, culled, then = lines[-3:]
    assert "none is running" in servers
    assert f"--cull-users   is off; with it: {would[0]}" in culled
    assert would[1] in then


def test_it_says_no_more_where_users_are_culled() -> None:
    """Then the lines above tell what becomes of the user."""
    lines = explain_user(idler(2), Policy.from_flags(Flags(timeout=3600, cull_users=True)), NOW)
    assert "none is running" in lines[-1]
    assert any("due to be deleted" in line for line in lines)


def test_it_does_not_take_servers_that_are_not_told_for_none() -> None:
    """Without the scope read:servers nobody knows."""
    text = "\n".join(explain_user(idler(2, problems=("servers",)), Policy.from_flags(FLAGS), NOW))
    assert "none is running" not in text
    assert "not known" in text
