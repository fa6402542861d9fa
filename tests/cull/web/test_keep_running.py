"""What "Keep running" offers and does."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from services.cull.policy.extension import ExtensionOffer, ExtensionRefusal
from services.cull.policy.model import Action, Decision, Flags, Policy, Reason
from services.cull.policy.rules import Rule
from services.cull.store.records import ExtensionRefused
from services.cull.web.access import AccessDenied, Viewer
from services.cull.web.api.types import Extended
from services.cull.web.culler_state import CullerState
from services.cull.web.keep_running import KeepRunning, ServerNotRunning, offer_extension
from tests.cull.web.site import CullSite
from tests.fakes.clock import START

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULE = Rule(name="default", idle_timeout=3600, extend_by=3600, extensions_per_day=2)


def due_in(minutes: float) -> Decision:
    """A decision to keep a server that stops in some minutes."""
    return Decision(Action.KEEP, Reason.ACTIVE, "default", NOW + timedelta(minutes=minutes))


def test_an_offer_moves_the_stop() -> None:
    """The stop moves by extend_by, and one extension is left after this one."""
    assert offer_extension(RULE, due_in(30), NOW, 0) == ExtensionOffer(
        NOW + timedelta(minutes=90), left=1
    )


@pytest.mark.parametrize(
    ("minutes", "offered"),
    [(113.9, True), (114.0, True), (114.1, False)],
    ids=["more", "exactly a tenth", "less"],
)
def test_a_small_gain_is_not_offered(minutes: float, *, offered: bool) -> None:
    """An extension can reach 2 h from now; it must gain at least a tenth of its hour."""
    offer = offer_extension(RULE, due_in(minutes), NOW, 0)
    assert isinstance(offer, ExtensionOffer) is offered
    assert offered or offer is ExtensionRefusal.FAR_ENOUGH


def test_used_up_extensions_are_refused() -> None:
    """The limit of the rule counts."""
    assert offer_extension(RULE, due_in(30), NOW, 2) is ExtensionRefusal.USED_UP


async def extend(
    site: CullSite, user: str = "ada", server: str = "", offered: datetime | None = None
) -> Extended:
    """Press ada's button."""
    viewer = Viewer("ada", await site.client.user("ada"), admin=False)
    button = KeepRunning(CullerState(site.culler), site.store)
    return await button.extend(viewer, user, server, offered=offered)


async def test_the_extension_is_stored_and_logged(
    site: CullSite, caplog: pytest.LogCaptureFixture
) -> None:
    """The next pass honours it, and the audit log names the user and the rule."""
    caplog.set_level(logging.INFO, logger="audit")
    made = await extend(site)
    assert (made.used, made.limit) == (1, 2)
    assert (await site.store.protections(START)).extensions == {("ada", ""): made.until}
    assert "ada: extend server ada/" in caplog.text


async def test_pressing_twice_extends_once(site: CullSite) -> None:
    """If an extension already reaches the time on the button, nothing more is needed."""
    first = await extend(site)
    site.clock.advance(1200)
    again = await extend(site, offered=first.until)
    assert (again.until, again.used) == (first.until, 1)


async def test_a_later_offer_extends_again(site: CullSite) -> None:
    """A button that shows a later time is a new request."""
    first = await extend(site)
    site.clock.advance(1200)
    again = await extend(site, offered=first.until + timedelta(seconds=1))
    assert again.until > first.until
    assert again.used == 2


async def test_beyond_the_limit_the_next_time_is_given(site: CullSite) -> None:
    """The refusal says how many extensions are allowed and when the next one is possible."""
    for _ in range(2):
        await extend(site)
        site.clock.advance(1200)
    with pytest.raises(ExtensionRefused) as caught:
        await extend(site)
    assert caught.value.limit == 2
    assert caught.value.again_at == START + timedelta(days=1)


async def test_a_server_that_cannot_be_extended_gives_one_sentence(site: CullSite) -> None:
    """The reason has no full stop of its own, because the page adds one."""
    site.policy = Policy.from_flags(Flags(extend_by=0))
    with pytest.raises(ExtensionRefused) as caught:
        await extend(site)
    assert not str(caught.value).endswith(".")


async def test_only_own_servers_can_be_extended(site: CullSite) -> None:
    """Another user's server is refused before anything is looked up."""
    with pytest.raises(AccessDenied):
        await extend(site, user="bob")


async def test_a_server_that_is_not_running_is_reported(site: CullSite) -> None:
    """It cannot be extended."""
    with pytest.raises(ServerNotRunning):
        await extend(site, server="lab")


async def test_a_service_has_no_servers(site: CullSite) -> None:
    """A service with the name of a user is not that user."""
    button = KeepRunning(CullerState(site.culler), site.store)
    with pytest.raises(AccessDenied):
        await button.extend(Viewer("ada", None, admin=True), "ada", "")
