"""Several processes of one course share its gradebook."""

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.postgres import postgres, postgres_url
from tests.formgrader_proxy.gradebook.gradebooks import address_of, new_gradebook, one_submission
from tests.formgrader_proxy.gradebook.serving import Answer, Served, formgrader_process

__all__ = ["postgres", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a gradebook with one submission."""
    found = address_of(request, tmp_path)
    with new_gradebook(found) as gradebook:
        one_submission(gradebook)
    return found


@pytest.fixture
def processes(url: str, tmp_path: Path) -> Iterator[list[Served]]:
    """Two formgraders of the same course."""
    course = tmp_path / "course"
    for student in ("ana", "ben"):
        for step in ("source/.", f"autograded/{student}"):
            (course / step / "ps1").mkdir(parents=True, exist_ok=True)
            (course / step / "ps1" / "p1.ipynb").write_text("{}")
    with ExitStack() as stack:
        yield [
            stack.enter_context(formgrader_process(course, url, tmp_path / f"{number}.log"))
            for number in range(2)
        ]


def test_what_one_saves_the_other_shows(processes: list[Served]) -> None:
    """Scores, comments and flags, from the first request on, also after errors."""
    first, second = processes
    (notebook,) = first.send("api/submitted_notebooks/ps1/p1").body
    grades, comments = (
        f"api/{kind}?submission_id={notebook['id']}" for kind in ("grades", "comments")
    )
    (grade,), (comment,) = second.send(grades).body, second.send(comments).body
    for number, (one, other) in enumerate([(first, second), (second, first)] * 3):
        score = {"manual_score": number / 2, "extra_credit": None}
        assert one.send(f"api/grade/{grade['id']}", "PUT", score).status == 200
        assert other.send(grades).body[0]["manual_score"] == number / 2
        text = {"manual_comment": f"Number {number} ü"}
        assert other.send(f"api/comment/{comment['id']}", "PUT", text).status == 200
        assert one.send(comments).body[0]["manual_comment"] == f"Number {number} ü"
        for bad in ("[]", {"manual_score": "many"}):
            assert one.send(f"api/grade/{grade['id']}", "PUT", bad).status == 500
        assert one.send("api/grade/missing", "PUT", score).status == 404


def test_a_change_of_somebody_else_is_not_replaced(processes: list[Served]) -> None:
    """Neither a field that was not changed, nor one that both have changed."""
    first, second = processes
    (notebook,) = first.send("api/submitted_notebooks/ps1/p1").body
    grades, comments = (
        f"api/{kind}?submission_id={notebook['id']}" for kind in ("grades", "comments")
    )
    (grade,), (comment,) = second.send(grades).body, second.send(comments).body
    known = {"classroom-known": {"base": grade, "sent": []}}
    address = f"api/grade/{grade['id']}"
    assert first.send(address, "PUT", known | {"manual_score": "2"}).status == 200
    answer = second.send(address, "PUT", known | {"extra_credit": 0.5})
    assert (answer.body["manual_score"], answer.body["extra_credit"]) == (2, 0.5)
    answer = second.send(address, "PUT", known | {"manual_score": 1})
    assert answer.status == 409
    refused = json.loads(answer.body)
    assert refused["message"].startswith("This has been changed since")
    assert refused["current"] == {"manual_score": 2, "extra_credit": 0.5}
    base = {"classroom-known": {"base": refused["current"]}, "extra_credit": 0.5}
    assert second.send(address, "PUT", base | {"manual_score": 1}).body["manual_score"] == 1
    address = f"api/comment/{comment['id']}"
    known = {"classroom-known": {"base": comment}}
    assert first.send(address, "PUT", known | {"manual_comment": "One"}).status == 200
    assert second.send(address, "PUT", known | {"manual_comment": "Two"}).status == 409
    assert first.send(comments).body[0]["manual_comment"] == "One"


def until_saved(served: Served, path: str, method: str, body: Any = None) -> Answer:
    """The answer to a change that is sent again while the gradebook is locked."""
    while (answer := served.send(path, method, body)).status >= 500:
        assert "Another program is using the gradebook" in str(answer.body)
    return answer


def test_changes_at_once_are_all_kept(processes: list[Served]) -> None:
    """Eight graders turn a flag and save scores in two processes, and no change is lost.

    On a slow disk, a change may not get SQLite's lock in time. Then it was not made, and the page
    sends it again, as here.
    """
    (notebook,) = processes[0].send("api/submitted_notebooks/ps1/p1").body
    flag = f"api/submitted_notebook/{notebook['id']}/flag"
    (grade,) = processes[0].send(f"api/grades?submission_id={notebook['id']}").body

    def grader(number: int) -> list[Any]:
        dice, found = random.Random(number), []  # noqa: S311 # the same each time
        for _ in range(10):
            served = dice.choice(processes)
            found.append(until_saved(served, flag, "POST"))
            score = {"manual_score": number, "extra_credit": None}
            assert until_saved(served, f"api/grade/{grade['id']}", "PUT", score).status == 200
            assert served.send("api/submitted_notebooks/ps1/p1").status == 200
        return found

    with ThreadPoolExecutor(8) as threads:
        answers = [answer for found in threads.map(grader, range(8)) for answer in found]
    assert {answer.status for answer in answers} == {200}
    # An answer may already show the next change of somebody else, so only the end counts.
    for flagged in (False, True, False):
        assert processes[1].send("api/submitted_notebooks/ps1/p1").body[0]["flagged"] is flagged
        assert until_saved(processes[0], flag, "POST").status == 200


def test_a_gradebook_that_moves_while_they_run(tmp_path: Path) -> None:
    """The next score is saved in the new place, also by a process that has shown no page since."""
    course, old, new = tmp_path / "course", tmp_path / "old.db", tmp_path / "new.db"
    course.mkdir()
    with new_gradebook(f"sqlite:///{old}") as gradebook:
        one_submission(gradebook)
    with closing(sqlite3.connect(old)) as connection:
        ((grade,),) = connection.execute("select id from grade").fetchall()
    configuration = course / "nbgrader_config.py"
    configuration.write_text(f"c = get_config()\nc.CourseDirectory.db_url = 'sqlite:///{old}'\n")
    with formgrader_process(course, None, tmp_path / "log") as served:
        for place, score in ((old, 1), (new, 2)):
            if place is new:
                shutil.copy(old, new)
                configuration.write_text(configuration.read_text().replace(str(old), str(new)))
            body = {"manual_score": score, "extra_credit": None}
            assert served.send(f"api/grade/{grade}", "PUT", body).status == 200
            with closing(sqlite3.connect(place)) as connection:
                assert connection.execute("select manual_score from grade").fetchall() == [(score,)]
