"""The culler's Prometheus metrics."""

from datetime import timedelta

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from common.config.settings_file import Reload
from common.hub.models import Server, User
from common.web.metrics import Metrics
from services.cull.metrics import STOP_REASONS, CullMetrics
from services.cull.passes.listing.survey import STATES
from services.cull.passes.results import Outcome
from services.cull.policy.decide import decide_server
from services.cull.policy.model import Action, Flags, Policy, Protections, Reason
from tests.cull.culler import HOUR, make_culler
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub


class Scrape:
    """A culler's metrics and their current values."""

    def __init__(self) -> None:
        self.registry = Metrics("cull", prefix="jupyterhub")
        self.cull = CullMetrics(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        for family in text_string_to_metric_families(self.registry.text().decode()):
            for sample in family.samples:
                if sample.name == f"jupyterhub_cull_{name}" and sample.labels == labels:
                    return float(sample.value)
        return None


@pytest.fixture
def scrape() -> Scrape:
    """Metrics at the start."""
    return Scrape()


def test_every_series_exists_from_the_start(scrape: Scrape) -> None:
    """A rate over a counter that does not exist yet misses its first event."""
    for reason in STOP_REASONS:
        for outcome in Outcome:
            labels = {"reason": reason.value, "outcome": outcome.value}
            assert scrape.value("stops_total", **labels) == 0
            assert scrape.value("user_deletions_total", **labels) == 0
    for state in STATES:
        assert scrape.value("servers", state=state) == 0
    for every in Reason:
        assert scrape.value("server_decisions", reason=every.value) == 0
    for kind in ("server", "user", "group"):
        assert scrape.value("holds", kind=kind) == 0
    for outcome_of_reload in ("loaded", "refused"):
        assert scrape.value("policy_reloads_total", outcome=outcome_of_reload) == 0
    labels = {"endpoint": "users", "method": "GET", "status": "503"}
    assert scrape.value("hub_requests_total", **labels) == 0
    assert scrape.value("hub_request_duration_seconds_count", endpoint="server") == 0
    assert scrape.value("pass_duration_seconds_count") == 0
    assert scrape.value("last_good_pass_timestamp_seconds") == 0


def test_every_reason_to_stop_has_a_series() -> None:
    """The reasons for which the policy stops servers are among the labels."""
    policy = Policy.from_flags(Flags(timeout=1, max_age=1))
    old = START - timedelta(hours=1)
    for server in (
        Server(name="", ready=True, started=old, last_activity=old),
        Server(name="", ready=True, started=old, last_activity=START),
    ):
        decision = decide_server(User(name="ada"), server, policy, START)
        assert decision.action is Action.STOP
        assert decision.reason in STOP_REASONS


async def test_a_pass_is_counted(
    scrape: Scrape, fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Servers by state and decision, stops by reason and outcome, and the last good pass."""
    fake_hub.add_server("idle", idle=2 * HOUR)
    fake_hub.add_server("busy", idle=0)
    fake_hub.add_server("invalid", last_activity="?", started="?")
    fake_hub.add_server("busy", "next", ready=False, pending="spawn")
    fake_hub.add_server("bad", idle=2 * HOUR)
    fake_hub.fail("status", method="DELETE", path="/users/bad/", status=500, times=10)
    culler = make_culler(fake_hub, session, clock, observer=scrape.cull)
    await culler.run_pass()
    assert scrape.value("servers", state="ready") == 3
    assert scrape.value("servers", state="pending") == 1
    assert scrape.value("servers", state="no_time") == 1
    assert scrape.value("server_decisions", reason="idle") == 2
    assert scrape.value("server_decisions", reason="active") == 1
    assert scrape.value("stops_total", reason="idle", outcome="done") == 1
    assert scrape.value("stops_total", reason="idle", outcome="failed") == 1
    assert scrape.value("passes_total", outcome="errors") == 1
    assert scrape.value("last_good_pass_timestamp_seconds") == 0
    scrape.cull.hub_checked(culler.hub_health, culler.failing)
    assert scrape.value("failing_targets") == 1
    fake_hub.users.pop("bad")
    await culler.run_pass()
    assert scrape.value("passes_total", outcome="good") == 1
    assert scrape.value("last_good_pass_timestamp_seconds") == pytest.approx(START.timestamp())
    assert scrape.value("pass_duration_seconds_count") == 2


async def test_users_are_counted_separately(
    scrape: Scrape, fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A deleted user is not counted as a stopped server."""
    fake_hub.add_server("ada", idle=2 * HOUR)
    flags = Flags(timeout=HOUR, cull_users=True)
    await make_culler(fake_hub, session, clock, flags=flags, observer=scrape.cull).run_pass()
    assert scrape.value("stops_total", reason="idle", outcome="done") == 1
    assert scrape.value("user_deletions_total", reason="idle", outcome="done") == 1


async def test_an_incomplete_listing_keeps_the_last_numbers(
    scrape: Scrape, fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Otherwise the hub would look smaller than it is."""
    fake_hub.add_server("ada", idle=0)
    culler = make_culler(fake_hub, session, clock, observer=scrape.cull)
    await culler.run_pass()
    fake_hub.fail("status", path="/users?", status=500, times=10)
    await culler.run_pass()
    assert scrape.value("servers", state="ready") == 1
    assert scrape.value("passes_total", outcome="broken_off") == 1


def test_holds_and_extensions_are_counted(scrape: Scrape) -> None:
    """Only those in force are shown."""
    scrape.cull.protections_read(
        Protections(
            extensions={("ada", ""): START, ("ben", "x"): START},
            group_holds={"exam": START},
        )
    )
    assert scrape.value("extensions") == 2
    assert scrape.value("holds", kind="group") == 1
    assert scrape.value("holds", kind="user") == 0


def test_policy_reloads_are_counted(scrape: Scrape) -> None:
    """A refused file is visible until it is corrected."""
    scrape.cull.policy_checked(Reload.UNCHANGED, ())
    assert scrape.value("policy_file_good") == 1
    scrape.cull.policy_checked(Reload.REFUSED, ("rule 1: no",))
    assert scrape.value("policy_file_good") == 0
    scrape.cull.policy_checked(Reload.UNCHANGED, ("rule 1: no",))
    assert scrape.value("policy_file_good") == 0
    scrape.cull.policy_checked(Reload.LOADED, ())
    assert scrape.value("policy_file_good") == 1
    assert scrape.value("policy_reloads_total", outcome="refused") == 1
    assert scrape.value("policy_reloads_total", outcome="loaded") == 1


def test_foreign_stops_are_counted(scrape: Scrape) -> None:
    """Each once, although every pass reports the total."""
    for total in (0, 3, 3, 7):
        scrape.cull.surveyed(unreported=False, stuck=0, foreign_stops=total)
        assert scrape.value("foreign_stops_total") == total


async def test_the_hubs_health_is_shown(
    scrape: Scrape, fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Whether it responds, and whether idleness is trusted."""
    culler = make_culler(fake_hub, session, clock, settle=360)
    hub_health = culler.hub_health
    await hub_health.check()
    scrape.cull.hub_checked(hub_health, 0)
    assert (scrape.value("hub_up"), scrape.value("settling")) == (1, 1)
    clock.advance(360)
    fake_hub.now = clock.now
    await hub_health.check()
    scrape.cull.hub_checked(hub_health, 0)
    assert (scrape.value("hub_up"), scrape.value("settling")) == (1, 0)
    await fake_hub.stop()
    await hub_health.check()
    scrape.cull.hub_checked(hub_health, 0)
    assert (scrape.value("hub_up"), scrape.value("settling")) == (0, 1)
