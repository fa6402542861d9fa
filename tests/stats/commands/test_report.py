"""The report."""

import asyncio
import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.settings.exclusion import Exclusion
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.store import Store
from tests.stats.conftest import Run


def test_report_by_month(demo: Run) -> None:
    """A report has a row per period with numbers in every column."""
    code, out, _ = demo("report", "--by=month", "--since=30d", "--format=csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert len(rows) in (1, 2)
    assert all(int(row["active_users"]) > 0 and float(row["server_hours"]) > 0 for row in rows)
    code, out, _ = demo("report", "--by=month", "--since=30d")
    assert "seen" in out.splitlines()[0].split()


def test_report_of_a_group_as_json(demo: Run) -> None:
    """The sessions of a group are part of those of the hub."""
    hub_rows = json.loads(demo("report", "--by=week", "--format=json")[1])
    group_rows = json.loads(
        demo("report", "--by=week", "--format=json", "--group=nbgrader-course101")[1]
    )
    assert [row["first"] for row in hub_rows] == [row["first"] for row in group_rows]
    pairs = [
        (w["sessions"] or 0, g["sessions"] or 0) for w, g in zip(hub_rows, group_rows, strict=True)
    ]
    assert all(part <= total for total, part in pairs)
    assert 0 < sum(part for _, part in pairs) < sum(total for total, _ in pairs)


def test_inactive_members(demo: Run) -> None:
    """Everyone is inactive since a day in the future; few are inactive since long ago."""
    tomorrow = (datetime.now().astimezone() + timedelta(days=2)).date().isoformat()
    out = demo("report", f"--inactive-since={tomorrow}", "--group=nbgrader-course101")[1]
    assert out.splitlines()[-1] == "60 not active"
    never = [line.split() for line in out.splitlines() if line.endswith(" 0")]
    assert never
    assert all(cells[1:] == ["never", "never", "0"] for cells in never)
    long_ago = demo("report", "--inactive-since=2001-01-01", "--format=json")[1]
    assert len(json.loads(long_ago)) < 20


def test_invalid_options_of_a_report(run: Run) -> None:
    """All invalid options of a report are reported at once."""
    code, _, err = run(
        "report", "--since=soon", "--by=century", "--format=xml", "--inactive-since=x"
    )
    assert code == 1
    assert "2026-03-01, or 90d" in err
    assert "day, week, month, year, term, all" in err
    assert "table, csv, json" in err
    assert "--inactive-since: 'x' is not a date" in err
    assert "--by: not with --inactive-since, which lists users." in err


def test_mistakes_are_reported_with_unknown_names(demo: Run) -> None:
    """Also those that only the database shows, before anything is printed."""
    code, out, err = demo("report", "--group=nobodys", "--format=csv", "--wide", "--until=never")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "stats: --wide: not with --format=csv; it is for tables.",
        "stats: --until: 'never' is not a date; write 2026-03-01.",
        "stats: --group: no group named nobodys has been seen.",
    ]


def test_a_report_fits_a_terminal_unless_it_is_wide(demo: Run) -> None:
    """The table has at most 100 columns of text, and all of its own with --wide."""
    for words in (["--by=week"], [], ["--user=made-up-0001"], ["--inactive-since=2099-01-01"]):
        _, narrow, _ = demo("report", *words)
        assert max(map(len, narrow.splitlines())) <= 100, words
    _, wide, _ = demo("report", "--by=week", "--wide")
    assert "peak at" in wide.splitlines()[0]


def test_a_page_to_print(demo: Run, tmp_path: Path) -> None:
    """It is written to standard output, or to a new file; nothing is overwritten."""
    code, out, _ = demo("report", "--format=html", "--group=nbgrader-course101", "--since=14d")
    assert code == 0
    assert out.startswith("<!doctype html>")
    assert "<bdi>nbgrader-course101</bdi>" in out
    assert "made-up-" not in out, "a page names no users"
    file = tmp_path / "page.html"
    words = ("report", "--format=html", "--user=made-up-0001", "--by=week", f"--output={file}")
    assert demo(*words) == (0, "", "")
    assert "<bdi>made-up-0001</bdi>" in file.read_text("utf-8")
    assert "Hours of work by week" in file.read_text("utf-8")
    assert "JupyterHub. Created on" in file.read_text("utf-8")
    named = demo("report", "--format=html", "--hub-name=Our hub")[1]
    assert "Our hub. Created on" in named
    code, out, err = demo(*words)
    assert (code, out) == (1, "")
    assert f"--output: {file} exists already; choose another name, or delete it first." in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format=html", "--wide"], "--wide: not with --format=html; it is for tables."),
        (["--format=html", "--inactive-since=2026-01-01"], "--format: html is a report by period"),
        (["--format=html", "--until=2001-01-01"], "there are no records of these days"),
        (["--output=nowhere/report.txt"], "--output: there is no directory nowhere."),
        (["--output=/dev"], "--output: /dev exists already"),
    ],
)
def test_pages_that_cannot_be_written(demo: Run, words: list[str], said: str) -> None:
    """The mistake is reported, and nothing is printed."""
    code, out, err = demo("report", *words)
    assert (code, out) == (1, "")
    assert said in err


def test_other_formats_can_be_written_to_a_file(demo: Run, tmp_path: Path) -> None:
    """It has what would have been printed."""
    file = tmp_path / "report.csv"
    demo("report", "--format=csv", "--since=5d", f"--output={file}")
    assert file.read_text("utf-8") == demo("report", "--format=csv", "--since=5d")[1]


def test_help_of_the_report_teaches(run: Run) -> None:
    """Examples say what they answer, and name only options that exist."""
    code, out, _ = run("report", "--help")
    assert code == 0
    examples = out.partition("Examples:")[2].splitlines()
    asked = [line for line in examples if line.startswith("  # ")]
    shown = [line for line in examples if line.startswith("  python -m services.stats report")]
    assert len(asked) == len(shown) >= 4
    known = set(re.findall(r"^  (--[a-z-]+)", out.partition("Examples:")[0], re.MULTILINE))
    assert {option for line in shown for option in re.findall(r"--[a-z-]+", line)} <= known
    assert max(map(len, examples)) <= 100


def test_report_by_term(demo: Run, tmp_path: Path) -> None:
    """Terms come from a file of the command or from the service; without any, it is an error."""
    code, out, err = demo("report", "--by=term")
    assert (code, out) == (1, "")
    assert "--by: no terms are known; add --terms=FILE." in err
    today = datetime.now(UTC).date()
    split = today - timedelta(days=10)
    terms = tmp_path / "terms.toml"
    terms.write_text(f'[[term]]\nname = "Now"\nfrom = {split}\nuntil = {today}\n')
    argv = ("report", "--by=term", f"--terms={terms}", "--since=20d")
    rows = json.loads(demo(*argv, "--format=json")[1])
    assert [(row["name"], row["first"]) for row in rows] == [
        ("between terms", (today - timedelta(days=19)).isoformat()),
        ("Now", split.isoformat()),
    ]
    (whole,) = json.loads(demo("report", "--by=all", "--since=20d", "--format=json")[1])
    assert max(row["active_users"] for row in rows) <= whole["active_users"]
    assert whole["active_users"] < sum(row["active_users"] for row in rows)
    assert whole["sessions"] == sum(row["sessions"] for row in rows)
    table = demo(*argv)[1].splitlines()
    assert [line.split("  ")[0].rstrip("*") for line in table[1:3]][1] == "Now"
    assert demo(*argv, "--wide")[1].splitlines()[0].startswith("term")


def test_report_says_who_is_not_counted(demo: Run, tmp_path: Path) -> None:
    """Below the table; CSV and JSON have numbers only. Another setting is refused."""

    async def exclude() -> None:
        store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", None)
        exclusion = Exclusion(("group:nbgrader-course101",))
        await store.keep_exclusion(exclusion, leader=await store.take_leadership())
        await roll_up_until(store, datetime.now(UTC))
        await store.close()

    group = "--group=nbgrader-course101"
    before = json.loads(demo("report", "--by=all", "--format=json")[1])
    members = json.loads(demo("report", "--by=all", "--format=json", group)[1])
    asyncio.run(exclude())
    out = demo("report", "--by=all")[1]
    assert "Not counted: 60 users (group nbgrader-course101). Figures about running" in out
    assert "Not counted: 60 members" in demo("report", group)[1]
    assert "Not counted" not in demo("report", "--user=made-up-0001")[1]
    assert "Not counted: 60 users" in demo("report", "--inactive-since=2001-01-01")[1]
    after = json.loads(demo("report", "--by=all", "--format=json")[1])
    assert after[0]["active_users"] == before[0]["active_users"] - members[0]["active_users"]
    assert after[0]["peak_servers"] == before[0]["peak_servers"]
    code, _, err = demo("report", "--exclude=ana")
    assert code == 1
    assert "counted without group:nbgrader-course101; leave --exclude out." in err


def test_report_of_an_empty_database(run: Run, tmp_path: Path) -> None:
    """Without any record there is one period, today, of which everything is unknown."""

    async def create() -> None:
        store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", ZoneInfo("UTC"))
        await store.close()

    asyncio.run(create())
    code, out, _ = run("report", "--format=json", "--since=1d", "--by=month")
    assert code == 0
    assert all(row["sessions"] is None for row in json.loads(out))


def test_report_of_a_user_by_day(demo: Run) -> None:
    """A user's report has a row for each day, and at most one active user in each."""
    rows = json.loads(demo("report", "--user=made-up-0001", "--format=json")[1])
    days = [date.fromisoformat(row["first"]) for row in rows]
    assert days == [days[0] + timedelta(days=number) for number in range(len(days))]
    assert {row["active_users"] for row in rows} <= {0, 1, None}
    assert any(row["active_users"] == 1 for row in rows)


@pytest.mark.parametrize("command", ["report", "export", "forget-user"])
def test_no_command_that_reads_creates_a_database(run: Run, tmp_path: Path, command: str) -> None:
    """With a wrong or missing --db-url, the answer is an error and nothing is created."""
    words = {"report": [], "export": ["out"], "forget-user": ["ana"]}[command]
    code, out, err = run(command, *words)
    assert (code, out) == (1, "")
    assert f"there is no database {tmp_path / 'stats.sqlite'}" in err
    assert not list(tmp_path.iterdir())


def test_a_misspelled_group_or_user_is_an_error(demo: Run) -> None:
    """It is not an empty table, which would look like a group without activity."""
    code, out, err = demo("report", "--group=nbgrader-course110", "--user=nobody")
    assert (code, out) == (1, "")
    assert '--group: no group named nbgrader-course110 has been seen; did you mean "' in err
    assert "--user: no user named nobody has been seen." in err


@pytest.mark.parametrize("days", ["--since=2127-01-01", "--until=2020-01-01"])
def test_days_without_records(demo: Run, days: str) -> None:
    """A mistyped year must not look like an empty hub."""
    code, out, errors = demo("report", days)
    assert (code, out) == (1, "")
    assert "there are no records of these days; records cover 20" in errors
