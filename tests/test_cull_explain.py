"""What an administrator reads of the policy."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from common.models import Server, User
from services.cull.explain import describe_policy, explain_server, explain_user, table
from services.cull.policy import Flags, Protections
from services.cull.policy_file import load_policy

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


def explained(user: User, **options: object) -> str:
    return "\n".join(
        explain_server(user, SERVER, POLICY, NOW, zone=ZoneInfo("Europe/Zurich"), **options)  # type: ignore[arg-type]  # rows of a table
    )


def test_it_names_the_rule_and_the_time() -> None:
    """Which rule holds, and when the server would stop, in UTC and in local time."""
    text = explained(ANA)
    assert "server ana/gpu" in text
    assert "lesson (number 1 of 3)" in text
    assert "2026-03-02 13:50:00 UTC (14:50:00 CET), in 1h 50m" in text
    assert "not idle for long enough" in text


def test_it_says_when_another_rule_will_hold_by_then() -> None:
    """A rule's hours may be over before its stop comes."""
    assert "by then rule default holds: stop after 1h without activity" in explained(ANA)


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


def test_a_policy_is_told_in_words() -> None:
    """check-policy shows what was understood, so that a slip is seen."""
    text = "\n".join(describe_policy(POLICY))
    assert "1. lesson: stop after 2h without activity; a user may add 1h, 3 times a day" in text
    assert "for groups nbgrader-*, Mon,Tue,Wed,Thu,Fri 08:00-14:00 (Europe/Zurich)" in text
    assert "2. staff: never stop" in text
    assert "for everything else" in text


def test_a_table_shows_control_characters_and_does_not_send_them() -> None:
    """A user's name cannot write on an administrator's terminal."""
    lines = table(["user", "why"], [["evil\x1b[31m\n", "idle"], ["名前", "idle"]])
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)
    assert "\\x1b" in lines[1]
