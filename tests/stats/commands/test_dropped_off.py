"""``report --dropped-off``."""

import csv
import io
import json

from tests.stats.conftest import Run

GROUP = "--group=nbgrader-course101"


def test_formats(demo: Run) -> None:
    """The table, CSV and JSON have the same users; all lines of the table fit a terminal."""
    code, out, _ = demo("report", "--dropped-off=1d", GROUP)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split()[:2] == ["user", "status"]
    assert max(map(len, lines)) <= 100
    found = json.loads(demo("report", "--dropped-off=1", GROUP, "--format=json")[1])
    as_csv = list(csv.DictReader(io.StringIO(demo(*CSV)[1])))
    assert [row["name"] for row in found] == [row["name"] for row in as_csv]
    assert len(found) == len(lines) - 2
    dropped = [row for row in found if row["status"] == "dropped off"]
    assert dropped
    assert lines[-1].startswith(f"dropped off: {len(dropped)}; hasn't started: ")
    assert [row["last_active"] for row in dropped] == sorted(
        (row["last_active"] for row in dropped), reverse=True
    )


CSV = ("report", "--dropped-off=1d", GROUP, "--format=csv")


def test_addresses(demo: Run) -> None:
    """One a line; with nothing to make them of, the answer is an error that says what to do."""
    wanted = ("report", "--dropped-off=1d", "--format=emails")
    code, out, err = demo(*wanted, "--email-domain=uni.example")
    assert (code, err) == (0, "")
    assert all(line.endswith("@uni.example") for line in out.splitlines())
    assert out.startswith("made-up-")
    assert demo(*wanted, "--email={name}@uni.example")[1] == out
    code, out, err = demo(*wanted)
    assert (code, out) == (1, "")
    assert "users have no e-mail address: made-up-" in err
    assert "set --email-domain" in err


def test_invalid_options(run: Run) -> None:
    """All of them are reported at once."""
    code, _, err = run("report", "--dropped-off=soon", "--since=3d", "--format=xml")
    assert code == 1
    assert "--dropped-off: 'soon' is not a number of days; write 14d, for example." in err
    assert "--since: not with --dropped-off" in err
    assert "table, csv, json" in err
    assert "emails needs --dropped-off=14d" in run("report", "--format=emails")[2]
