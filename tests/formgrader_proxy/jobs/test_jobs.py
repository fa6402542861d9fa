"""Jobs from their start to their end, with a fake formgrader and a real database."""

import asyncio

import pytest

from common.errors import StoreUnavailable
from services.formgrader_proxy.jobs.jobs import JobRefused, Jobs, User
from services.formgrader_proxy.jobs.requests import Wanted
from services.formgrader_proxy.store.audit import Change
from services.formgrader_proxy.store.job import Item, Job, State
from tests.fakes.formgrader import until
from tests.fakes.nbgrader import DIES
from tests.formgrader_proxy.jobs.conftest import IRIS, World
from tests.formgrader_proxy.jobs.values import job

FAILS = {"success": False, "log": "[ERROR] no kernel", "error": "Trace\nRuntimeError"}


def states(found: Job) -> dict[str, State]:
    return {item.student: item.state for item in found.items}


async def test_a_job_runs_one_request_after_the_other(world: World) -> None:
    """Each is in the audit with nbgrader's result, after the start of the job."""
    world.nbgrader.results["ben"] = FAILS
    found = await world.until_ended(await world.start("ana", "ben", "cleo"))
    assert found.state is State.FAILED
    assert states(found) == {"ana": State.DONE, "ben": State.FAILED, "cleo": State.DONE}
    assert found.items[1].lines == ("[ERROR] no kernel", "Trace", "RuntimeError")
    assert world.nbgrader.begun == ["autograde/ana", "autograde/ben", "autograde/cleo"]
    assert world.nbgrader.most == 1
    *items, start = await world.audit.newest("course101")
    assert (start.action, start.path, start.status) == ("job_start", "jobs/1/autograde/ps1", 200)
    assert [(one.user, one.path, one.status, one.succeeded) for one in items] == [
        ("iris", f"formgrader/api/submission/ps1/{student}/autograde", 200, succeeded)
        for student, succeeded in (("cleo", True), ("ben", False), ("ana", True))
    ]
    assert world.counted.jobs == {State.QUEUED: 0, State.RUNNING: 0}
    assert sorted(world.counted.items) == [State.DONE, State.DONE, State.FAILED]


async def test_several_at_once(world: World) -> None:
    """As many as the formgrader handles."""
    world.formgrader.concurrency = 3
    world.nbgrader.held = {"a", "b", "c"}
    made = await world.start("a", "b", "c", "d", "e")
    await world.nbgrader.until_begun("autograde/a", "autograde/b", "autograde/c")
    for student in "abc":
        world.nbgrader.release(student)
    assert (await world.until_ended(made)).state is State.DONE
    assert world.nbgrader.most == 3


async def test_a_process_that_ends_during_a_request(world: World) -> None:
    """That item failed with this reason, and the job goes on. Its end is not in the audit."""
    world.nbgrader.results["ana"] = DIES
    found = await world.until_ended(await world.start("ana", "ben"))
    assert states(found) == {"ana": State.FAILED, "ben": State.DONE}
    assert "process ended" in found.items[0].lines[0]
    paths = {one.path: one.status for one in await world.audit.newest("course101")}
    assert paths["formgrader/api/submission/ps1/ana/autograde"] is None


async def test_a_formgrader_that_cannot_be_reached(world: World) -> None:
    """All items fail with the reason, and nothing is recorded as a change."""
    world.formgraders.courses.clear()
    found = await world.until_ended(await world.start("ana", "ben"))
    assert set(states(found).values()) == {State.FAILED}
    assert found.items[1].lines == ("The course is no longer served.",)
    assert [one.action for one in await world.audit.newest("course101")] == ["job_start"]


async def test_a_course_that_is_removed_while_a_job_runs(world: World) -> None:
    """The job runs to its end, and no other is started."""
    world.nbgrader.held = {"ana"}
    made = await world.start("ana", "ben")
    await world.nbgrader.until_begun("autograde/ana")
    world.formgraders.courses.clear()
    retiring = asyncio.create_task(world.formgrader.retire())
    refused = await world.until_ended(await world.start("cleo"))
    assert refused.items[0].lines == ("The course is no longer served.",)
    world.nbgrader.release("ana")
    assert set(states(await world.until_ended(made)).values()) == {State.DONE}
    await retiring


async def test_cancel(world: World) -> None:
    """What is queued is not sent; what was sent ends as usual."""
    world.nbgrader.held = {"ana"}
    made = await world.start("ana", "ben")
    await world.nbgrader.until_begun("autograde/ana")
    await world.jobs.cancel("course101", made.id, User("ian", "admin"), now=False)
    assert made.state is State.RUNNING
    world.nbgrader.release("ana")
    found = await world.until_ended(made)
    assert (found.state, found.cancelled_by) == (State.CANCELLED, "ian")
    assert states(found) == {"ana": State.DONE, "ben": State.CANCELLED}
    assert world.nbgrader.begun == ["autograde/ana"]
    assert ("ian", "job_cancel") in {
        (one.user, one.action) for one in await world.audit.newest("course101")
    }
    with pytest.raises(JobRefused, match="already ended"):
        await world.jobs.cancel("course101", made.id, IRIS, now=False)
    assert world.formgrader.interrupted == 0


async def test_a_job_that_ends_while_it_is_being_cancelled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown as done, and not as cancelled by somebody."""
    world.nbgrader.held = {"ana"}
    made = await world.start("ana")
    await world.nbgrader.until_begun("autograde/ana")
    begin = world.audit.begin

    async def late(change: Change) -> int:
        number = await begin(change)
        world.nbgrader.release("ana")
        await until(lambda: made.state.ended)
        return number

    monkeypatch.setattr(world.audit, "begin", late)
    with pytest.raises(JobRefused, match="already ended"):
        await world.jobs.cancel("course101", made.id, IRIS, now=True)
    found = await world.until_ended(made)
    assert (found.state, found.cancelled_by) == (State.DONE, "")
    (entry,) = [one for one in await world.audit.newest("course101") if one.action == "job_cancel"]
    assert entry.status == 409


async def test_stop(world: World) -> None:
    """What was sent is interrupted, and counts as cancelled."""
    world.nbgrader.held, world.nbgrader.results["ana"] = {"ana"}, DIES
    made = await world.start("ana", "ben")
    await world.nbgrader.until_begun("autograde/ana")
    await world.jobs.cancel("course101", made.id, IRIS, now=True)
    assert world.formgrader.interrupted == 1
    world.nbgrader.release("ana")
    found = await world.until_ended(made)
    assert set(states(found).values()) == {State.CANCELLED}
    assert found.items[0].lines == ("Stopped by iris.",)


async def test_retry(world: World) -> None:
    """A new job with what is not done, which names the old one."""
    world.nbgrader.results["ben"] = FAILS
    first = await world.until_ended(await world.start("ana", "ben", "cleo"))
    world.nbgrader.results.clear()
    again = await world.jobs.retry("course101", first.id, User("ian", "instructor"))
    assert again is not None
    found = await world.until_ended(again[0])
    assert (found.user, found.retry_of, states(found)) == ("ian", first.id, {"ben": State.DONE})
    with pytest.raises(JobRefused, match="is done"):
        await world.jobs.retry("course101", found.id, IRIS)
    assert await world.jobs.retry("course101", 99, IRIS) is None
    assert await world.jobs.retry("other", first.id, IRIS) is None


async def test_what_a_retry_has_done_is_not_done_again(world: World) -> None:
    """Another instructor's page may still show the old job only."""
    world.nbgrader.results |= {"ana": FAILS, "ben": FAILS}
    first = await world.until_ended(await world.start("ana", "ben"))
    del world.nbgrader.results["ana"]
    again = await world.jobs.retry("course101", first.id, IRIS)
    assert again is not None
    await world.until_ended(again[0])
    world.nbgrader.results.clear()
    third = await world.jobs.retry("course101", first.id, IRIS)
    assert third is not None
    assert states(await world.until_ended(third[0])) == {"ben": State.DONE}
    with pytest.raises(JobRefused, match="is done"):
        await world.jobs.retry("course101", first.id, IRIS)


async def test_a_job_that_runs_is_not_retried_or_started_twice(world: World) -> None:
    """Two instructors who start the same get the same job."""
    world.nbgrader.held = {"ana"}
    made, again = await asyncio.gather(world.start("ana", "ben"), world.start("ana", "ben"))
    assert made is again
    with pytest.raises(JobRefused, match="not ended"):
        await world.jobs.retry("course101", made.id, IRIS)
    world.nbgrader.release("ana")
    await world.until_ended(made)
    assert world.nbgrader.begun == ["autograde/ana", "autograde/ben"]


async def test_a_request_joins_a_job_that_has_it(world: World) -> None:
    """The user who waits for it gets its result, and it is the next one of that job."""
    world.nbgrader.held = {"ana"}
    made = await world.start("ana", "ben", "cleo")
    await world.nbgrader.until_begun("autograde/ana")
    waiting = asyncio.create_task(
        world.jobs.run("course101", IRIS, Wanted("autograde", "ps1", "cleo"))
    )
    await until(lambda: made.items[2].urgent)
    world.nbgrader.release("ana")
    joined, outcome = await waiting
    assert joined is made
    assert outcome.reply is not None
    assert b"fine" in outcome.reply.body
    await world.until_ended(made)
    assert world.nbgrader.begun == ["autograde/ana", "autograde/cleo", "autograde/ben"]


async def test_a_request_goes_on_when_nobody_waits_for_it(world: World) -> None:
    """The browser has disconnected."""
    world.nbgrader.held = {"ana"}
    waiting = asyncio.create_task(
        world.jobs.run("course101", IRIS, Wanted("autograde", "ps1", "ana"))
    )
    await world.nbgrader.until_begun("autograde/ana")
    (made,) = world.jobs.queue("course101").jobs
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    world.nbgrader.release("ana")
    assert (await world.until_ended(made)).state is State.DONE


async def test_a_stop_of_the_service(world: World) -> None:
    """What was not done is interrupted, and those who wait are answered."""
    world.nbgrader.held = {"ana"}
    made = await world.start("ana", "ben")
    waiting = asyncio.create_task(
        world.jobs.run("course101", IRIS, Wanted("autograde", "ps1", "ana"))
    )
    await world.nbgrader.until_begun("autograde/ana")
    await until(lambda: made.items[0].urgent)
    await world.jobs.close()
    assert (await waiting)[1].state is State.INTERRUPTED
    found = await world.store.find("course101", made.id)
    assert found is not None
    assert (found.state, set(states(found).values())) == (State.INTERRUPTED, {State.INTERRUPTED})
    with pytest.raises(JobRefused, match="stopping"):
        await world.start("ben")


async def test_a_service_that_was_killed(world: World) -> None:
    """The next one shows what it did not finish as interrupted."""
    left = job(items=[Item("ana", State.DONE), Item("ben", State.RUNNING), Item("cleo")])
    left.id = await world.store.add(left)
    (summary,) = (await world.jobs.newest("course101")).summaries
    assert summary.job.state is State.INTERRUPTED
    assert (summary.ended, summary.remaining) == (3, 2)
    again = await world.jobs.retry("course101", left.id, IRIS)
    assert again is not None
    assert states(await world.until_ended(again[0])) == {"ben": State.DONE, "cleo": State.DONE}


@pytest.mark.attack("job for a pattern")
async def test_names_that_are_refused(world: World) -> None:
    """A folder named like a pattern would autograde everyone: its request is never sent."""
    found = await world.until_ended(await world.start("*", "ana", "a" * 300))
    assert [item.state for item in found.items] == [State.FAILED, State.DONE, State.FAILED]
    assert "name" in found.items[0].lines[0]
    assert world.nbgrader.begun == ["autograde/ana"]


async def test_nothing_to_do(world: World) -> None:
    """No job is made."""
    with pytest.raises(JobRefused, match="nothing to do"):
        await world.start()
    assert list((await world.jobs.newest("course101")).summaries) == []


async def test_a_job_that_cannot_be_recorded_is_not_started(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither without its own row, nor without its entry in the audit."""

    async def unavailable(_change: object) -> int:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.audit, "begin", unavailable)
        with pytest.raises(StoreUnavailable):
            await world.start("ana")
    (summary,) = (await world.jobs.newest("course101")).summaries
    assert summary.job.state is State.INTERRUPTED
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "add", unavailable)
        with pytest.raises(StoreUnavailable):
            await world.start("ana")
        with pytest.raises(StoreUnavailable):
            await world.jobs.run("course101", IRIS, Wanted("autograde", "ps1", "ana"))
    assert world.nbgrader.begun == []


async def test_results_are_kept_while_the_database_is_unavailable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are shown at once, and recorded when the database is back."""
    monkeypatch.setattr("services.formgrader_proxy.jobs.recorder.RETRY_SECONDS", 0.01)
    failing = asyncio.Event()

    async def unavailable(*_arguments: object) -> None:
        failing.set()
        raise StoreUnavailable("the disk is full")

    world.nbgrader.held = {"ana"}
    made = await world.start("ana")
    await world.nbgrader.until_begun("autograde/ana")
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "update", unavailable)
        patch.setattr(world.audit, "finish", unavailable)
        world.nbgrader.release("ana")
        await until(failing.is_set)
        await until(lambda: made.state.ended)
        (summary,) = (await world.jobs.newest("course101")).summaries
        assert summary.job.state is State.DONE
    assert (await world.until_ended(made)).state is State.DONE
    change = next(c for c in await world.audit.newest("course101") if c.action == "autograde")
    assert (change.status, change.succeeded) == (200, True)


async def test_without_the_database_current_jobs_are_listed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the list says that it is not complete."""
    await world.until_ended(await world.start("ana"))
    world.nbgrader.held = {"ben"}
    await world.start("ben")

    async def unavailable(*_arguments: object, **_options: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(world.store, "newest", unavailable)
    listing = await world.jobs.newest("course101")
    assert not listing.complete
    assert [one.job.id for one in listing.summaries] == [2, 1]


async def test_the_version_and_what_changed(world: World) -> None:
    """A page gets the students whose items have ended since it last looked."""
    world.nbgrader.held = {"ben"}
    before = world.jobs.version("course101")
    made = await world.start("ana", "ben")
    await world.nbgrader.until_begun("autograde/ben")
    between = world.jobs.version("course101")
    assert before != between
    assert world.jobs.changed_since(before, made) == ["ana"]
    world.nbgrader.release("ben")
    await world.until_ended(made)
    assert world.jobs.changed_since(between, made) == ["ben"]
    assert world.jobs.changed_since("of-another-process", made) == ["ana", "ben"]
    others = Jobs(world.formgraders, world.store, world.audit, world.counted, world.jobs._clock)
    assert others.version("course101") != world.jobs.version("course101")
