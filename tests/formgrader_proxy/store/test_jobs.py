"""Stored jobs, on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from common.errors import StoreUnavailable
from services.formgrader_proxy.store.audit import Audit
from services.formgrader_proxy.store.job import Failure, Item, State, Summary
from services.formgrader_proxy.store.jobs import KEPT, JobStore
from tests.fakes.databases import db_url, postgres, postgres_url
from tests.formgrader_proxy.jobs.values import NOON, ended, job

__all__ = ["db_url", "postgres", "postgres_url"]


@pytest.fixture
async def store(db_url: str) -> AsyncIterator[JobStore]:
    """A store in an empty database."""
    audit = Audit(db_url)
    await audit.open()
    yield JobStore(audit)
    await audit.close()


def values(item: Item) -> tuple[object, ...]:
    return (item.student, item.state, item.started_at, item.ended_at, item.lines)


async def test_a_job_is_stored_completely(store: JobStore) -> None:
    """As it was added, and after each change."""
    made = job("ana", "o'hara 名前", "", user="iris é", retry_of=7)
    made.id = await store.add(made)
    made.state, made.started_at, made.cancelled_by = State.RUNNING, NOON, "ian"
    made.items[1] = ended("o'hara 名前", 0, 3.25, State.FAILED)
    made.items[1].lines = ("<b>x</b>", "", "last")
    await store.update(made, {made.items[1]})
    found = await store.find("course101", made.id)
    assert found is not None
    assert [values(item) for item in found.items] == [values(item) for item in made.items]
    for name in ("user", "role", "action", "assignment", "created_at", "retry_of"):
        assert getattr(found, name) == getattr(made, name)
    assert (found.state, found.started_at, found.cancelled_by) == (State.RUNNING, NOON, "ian")


async def test_a_job_of_another_course_is_not_found(store: JobStore) -> None:
    """Its id is known, but it is not this course's."""
    number = await store.add(job("ana"))
    assert await store.find("other", number) is None
    assert await store.find("course101", number + 1) is None


async def test_the_newest_jobs_with_their_counts(store: JobStore) -> None:
    """Newest first, of this course only."""
    for made in (job("ana", course="other"), job("a"), job("b")):
        made.id = await store.add(made)
    last = job(items=[ended("c", 0, 1), Item("d"), Item("e", State.FAILED, lines=("no",))])
    last.id = await store.add(last)
    found = await store.newest("course101")
    assert [(one.job.id, one.total) for one in found] == [(last.id, 3), (3, 1), (2, 1)]
    assert found[0].counts == Summary.of(last).counts
    assert (found[0].ended, found[0].remaining) == (2, 2)
    assert list(await store.failures([last.id, 3])) == [Failure(last.id, "e", ("no",))]


async def test_what_an_earlier_process_did_not_finish(store: JobStore) -> None:
    """It is interrupted and never done; what runs now, and other courses, are not changed."""
    left = job(items=[ended("a", 0, 1), Item("b", State.RUNNING, NOON), Item("c")])
    left.state = State.RUNNING
    over = job(items=[ended("a", 0, 1)], state=State.DONE)
    current, other = job("a", state=State.RUNNING), job("a", course="other")
    for made in (left, over, current, other):
        made.id = await store.add(made)
    assert await store.interrupt("course101", NOON, running=[current.id]) == 1
    states = []
    for made in (left, over, current, other):
        found = await store.find(made.course, made.id)
        assert found is not None
        states.append((found.state, [item.state for item in found.items]))
    interrupted = State.INTERRUPTED
    assert states == [
        (interrupted, [State.DONE, interrupted, interrupted]),
        (State.DONE, [State.DONE]),
        (State.RUNNING, [State.QUEUED]),
        (State.QUEUED, [State.QUEUED]),
    ]
    assert await store.interrupt("course101", NOON, running=[current.id]) == 0


async def test_requests_that_were_broken_off(store: JobStore) -> None:
    """The last one of each student that was sent counts, for this action and assignment."""
    failed, done = State.FAILED, State.DONE
    for made in (
        job(items=[ended("a", 0, 1, failed), ended("b", 0, 1, failed), ended("c", 0, 1)]),
        job(items=[ended("a", 2, 3, done), ended("c", 2, 3, State.INTERRUPTED)]),
        job(items=[Item("d", State.CANCELLED), Item("b", State.CANCELLED)]),
        job(items=[ended("e", 0, 1, failed)], assignment="ps2"),
        job(items=[ended("e", 0, 1, failed)], action="generate_feedback"),
        job(items=[ended("e", 0, 1, failed)], course="other"),
        job(items=[Item("f", State.RUNNING, NOON)]),
    ):
        await store.add(made)
    assert await store.broken_off("course101", "autograde", "ps1") == {"b", "c"}


async def test_old_jobs_are_forgotten(store: JobStore) -> None:
    """Those with one item do not displace those with several, nor jobs that still run."""
    several = await store.add(job("a", "b", state=State.DONE))
    running = await store.add(job("a", state=State.RUNNING))
    over = [await store.add(job("a", state=State.DONE)) for _ in range(KEPT + 2)]
    kept = {one.job.id for one in await store.newest("course101", limit=10 * KEPT)}
    assert kept == {several, running, *over[-KEPT:]}
    assert await store.find("course101", over[0]) is None


async def test_a_store_that_is_not_open() -> None:
    """Nothing can be stored."""
    with pytest.raises(StoreUnavailable, match="not open"):
        await JobStore(Audit("sqlite://")).add(job("ana"))
