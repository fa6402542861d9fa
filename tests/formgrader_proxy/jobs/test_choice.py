"""Which item runs next."""

import pytest

from services.formgrader_proxy.jobs.choice import Place, choose
from services.formgrader_proxy.store.job import Item, Job, State
from tests.formgrader_proxy.jobs.values import job


def running(found: Job, *students: str) -> Job:
    """The job, with these students' items running."""
    for item in found.items:
        if item.student in students:
            item.state = State.RUNNING
    return found


def chosen(*jobs: Job) -> tuple[Job, str] | None:
    found = choose(jobs)
    return None if found is None else (found[0], found[1].student)


@pytest.mark.parametrize(
    ("one", "other", "collides"),
    [
        (Place("ps1", "ana"), Place("ps1", "ana"), True),
        (Place("ps1", "ana"), Place("ps1", "ben"), False),
        (Place("ps1", "ana"), Place("ps2", "ana"), False),
        (Place("ps1", ""), Place("ps1", "ana"), True),
        (Place("ps1", ""), Place("ps1", ""), True),
        (Place("ps1", ""), Place("ps2", ""), False),
    ],
)
def test_what_may_run_at_the_same_time(one: Place, other: Place, collides: bool) -> None:
    """Different submissions, or different assignments."""
    assert one.collides(other) is collides
    assert other.collides(one) is collides


def test_nothing_to_do() -> None:
    """No jobs, or none with a queued item."""
    assert choose([]) is None
    assert choose([running(job("ana"), "ana")]) is None


def test_the_items_of_a_job_run_in_order() -> None:
    """The first one that is queued is next."""
    assert chosen(only := job("ana", "ben")) == (only, "ana")
    assert chosen(running(only, "ana")) == (only, "ben")


def test_an_item_that_a_user_waits_for_comes_first() -> None:
    """It does not wait for the rest of its job."""
    found = job(items=[Item("ana"), Item("ben", urgent=True)])
    assert chosen(found) == (found, "ben")


def test_jobs_take_turns() -> None:
    """The job with fewer running items goes first; of equals, the one that waited longer."""
    first, second = job("ana", "ben"), job("cleo", "dora", assignment="ps2")
    assert chosen(first, second) == (first, "ana")
    assert chosen(running(first, "ana"), second) == (second, "cleo")


def test_never_twice_for_the_same_submission() -> None:
    """Feedback for a submission waits while it is autograded; others are processed meanwhile."""
    grading, feedback = running(job("ana"), "ana"), job("ana", "ben", action="generate_feedback")
    assert chosen(grading, feedback) == (feedback, "ben")
    assert chosen(grading, job("ana", action="generate_feedback")) is None


def test_a_whole_assignment_runs_alone() -> None:
    """It waits for running items, and meanwhile no other item of the assignment starts."""
    grading = running(job("ana", "ben"), "ana")
    collect = job("", action="collect")
    assert chosen(grading, collect) is None
    elsewhere = job("ana", assignment="ps2")
    assert chosen(grading, collect, elsewhere) == (elsewhere, "ana")
    grading.items[0].state = State.DONE
    assert chosen(collect, grading) == (collect, "")
    assert chosen(running(collect, ""), grading) is None
