"""The evaluator: current state for each decision, and protections read once for all callers."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from common.errors import StoreError
from common.hub.models import Server, User
from services.cull.evaluator import PolicyEvaluator, ProtectionReader
from services.cull.policy.model import Action, Flags, Policy, Protections, Reason
from tests.cull.culler import FakeStore
from tests.fakes.clock import START, FakeClock


class Reads:
    """Counts reads; each one waits for the gate and returns its number as a hold."""

    def __init__(self) -> None:
        self.started = 0
        self.gate = asyncio.Semaphore(0)
        self.fails = False

    async def __call__(self) -> Protections:
        self.started += 1
        number = self.started
        await self.gate.acquire()
        if self.fails:
            raise StoreError("unavailable")
        return Protections(user_holds={str(number): START})


async def until_started(reads: Reads, started: int) -> None:
    async with asyncio.timeout(5):
        while reads.started < started:
            await asyncio.sleep(0)


async def test_callers_at_the_same_time_share_a_read() -> None:
    """Ten stops at once cause one query."""
    reads = Reads()
    latest = ProtectionReader(reads)
    callers = [asyncio.create_task(latest.get()) for _ in range(10)]
    await until_started(reads, 1)
    reads.gate.release()
    async with asyncio.timeout(5):
        got = await asyncio.gather(*callers)
    assert reads.started == 1
    assert all(one is got[0] for one in got)


async def test_a_caller_during_a_read_gets_the_next_one() -> None:
    """An extension made after a read started may not be in its result."""
    reads = Reads()
    latest = ProtectionReader(reads)
    first = asyncio.create_task(latest.get())
    await until_started(reads, 1)
    second = [asyncio.create_task(latest.get()) for _ in range(3)]
    await asyncio.sleep(0)
    assert reads.started == 1
    for _ in range(2):
        reads.gate.release()
    async with asyncio.timeout(5):
        assert "1" in (await first).user_holds
        for task in second:
            assert "2" in (await task).user_holds
    assert reads.started == 2


async def test_a_failed_read_fails_only_for_its_callers() -> None:
    """The next caller reads again."""
    reads = Reads()
    reads.fails = True
    latest = ProtectionReader(reads)
    callers = [asyncio.create_task(latest.get()) for _ in range(2)]
    await until_started(reads, 1)
    reads.gate.release()
    for task in callers:
        with pytest.raises(StoreError):
            await task
    reads.fails = False
    reads.gate.release()
    async with asyncio.timeout(5):
        assert "2" in (await latest.get()).user_holds


async def test_a_cancelled_caller_does_not_cancel_the_read() -> None:
    """The other callers that share the read get its result."""
    reads = Reads()
    latest = ProtectionReader(reads)
    cancelled = asyncio.create_task(latest.get())
    waiting = asyncio.create_task(latest.get())
    await until_started(reads, 1)
    cancelled.cancel()
    reads.gate.release()
    async with asyncio.timeout(5):
        assert "1" in (await waiting).user_holds


SERVER = Server(name="", ready=True, started=START - timedelta(hours=5), last_activity=START)


def evaluator(**options: Any) -> tuple[PolicyEvaluator, FakeClock, dict[str, Any]]:
    """An evaluator with an idle timeout of one hour, its clock, and state that tests change."""
    clock = FakeClock()
    state: dict[str, Any] = {"policy": Policy.from_flags(Flags(timeout=3600)), "trust": None}
    made = PolicyEvaluator(lambda: state["policy"], clock.now, lambda: state["trust"], **options)
    return made, clock, state


async def test_each_decision_uses_the_current_state() -> None:
    """Time, policy and settling are those of the moment, not those of the start."""
    current, clock, state = evaluator()
    user = User(name="ada")
    assert (await current.decide_server(user, SERVER)).reason is Reason.ACTIVE
    clock.advance(3600)
    assert (await current.decide_server(user, SERVER)).action is Action.STOP
    state["trust"] = clock.now() + timedelta(minutes=1)
    assert (await current.decide_server(user, SERVER)).reason is Reason.SETTLING
    state["trust"] = None
    state["policy"] = Policy.from_flags(Flags(timeout=7200))
    assert (await current.decide_server(user, SERVER)).reason is Reason.ACTIVE


async def test_protections_are_read_unless_they_are_given() -> None:
    """A page that has read them already passes them on."""
    store = FakeStore(Protections(user_holds={"ada": START + timedelta(days=1)}))
    current, clock, _ = evaluator(store=store)
    clock.advance(3600)
    user = User(name="ada")
    assert (await current.decide_server(user, SERVER)).reason is Reason.HELD
    assert store.reads == 1
    given = Protections(extensions={("ada", ""): START + timedelta(days=1)})
    assert (await current.decide_server(user, SERVER, given)).reason is Reason.EXTENDED
    assert store.reads == 1


async def test_users_are_decided_with_their_protections() -> None:
    """A hold on the user's group prevents the deletion."""
    store = FakeStore(Protections(group_holds={"exam": START + timedelta(days=1)}))
    current, clock, state = evaluator(store=store)
    state["policy"] = Policy.from_flags(
        Flags(timeout=3600, cull_users=True, cull_group_members=True)
    )
    clock.advance(3600)
    ada = User(name="ada", groups=("exam",), last_activity=START)
    assert (await current.decide_user(ada)).reason is Reason.HELD
    assert (await current.decide_user(User(name="ben", last_activity=START))).reason is Reason.IDLE


async def test_the_arbiter_is_asked_for_each_decision() -> None:
    """Its verdict replaces the idle timeout; the synchronous decision takes it as an argument."""
    current, _, _ = evaluator(arbiter=lambda **_: True)
    user = User(name="ada")
    assert (await current.decide_server(user, SERVER)).action is Action.STOP
    snapshot = current.snapshot(Protections())
    assert await snapshot.verdict(user, SERVER) is True
    assert snapshot.decide_server(user, SERVER).action is Action.KEEP
    assert snapshot.decide_server(user, SERVER, True).action is Action.STOP


async def test_without_an_arbiter_there_is_no_verdict() -> None:
    """None leaves the idle timeout in force."""
    current, _, _ = evaluator()
    assert await current.snapshot(Protections()).verdict(User(name="ada"), SERVER) is None
