"""Adding and releasing holds."""

import logging
from datetime import timedelta

import pytest

from common.errors import HubForbidden
from services.cull.store.records import HoldKind
from services.cull.web.access import Viewer
from services.cull.web.culler_state import CullerState
from services.cull.web.forms import HoldRequest, InvalidInput
from services.cull.web.holds import Holds
from tests.cull.web.site import CullSite
from tests.fakes.clock import START

ROOT = Viewer("root", None, admin=True)
UNTIL = START + timedelta(hours=4)


@pytest.fixture
def holds(site: CullSite) -> Holds:
    """The holds of the site."""
    return Holds(CullerState(site.culler), site.store, site.client)


def wanted(kind: HoldKind = HoldKind.USER, name: str = "ada") -> HoldRequest:
    """A hold on a user, with one change."""
    return HoldRequest(kind, name, "", UNTIL, "exam")


async def test_a_hold_is_listed_until_it_is_released(
    holds: Holds, caplog: pytest.LogCaptureFixture
) -> None:
    """Both events are in the audit log, with the administrator's name."""
    caplog.set_level(logging.INFO, logger="audit")
    hold = await holds.add(ROOT, wanted())
    assert (hold.by, hold.until, hold.why) == ("root", UNTIL, "exam")
    assert await holds.list() == [hold]
    assert await holds.release(ROOT, hold.id) == hold
    assert await holds.list() == []
    assert "root: hold user ada" in caplog.text
    assert "root: release user ada" in caplog.text


async def test_releasing_twice_is_not_an_error(
    holds: Holds, caplog: pytest.LogCaptureFixture
) -> None:
    """The second release finds nothing and logs nothing."""
    hold = await holds.add(ROOT, wanted())
    await holds.release(ROOT, hold.id)
    caplog.clear()
    assert await holds.release(ROOT, hold.id) is None
    assert caplog.text == ""


@pytest.mark.parametrize("kind", HoldKind)
async def test_an_unknown_name_is_refused(site: CullSite, holds: Holds, kind: HoldKind) -> None:
    """The Hub is asked for the group, or for the user of a server."""
    site.hub.scopes.append("read:groups")
    noun = "group" if kind is HoldKind.GROUP else "user"
    with pytest.raises(InvalidInput, match=f"name: the Hub has no {noun} 'adda'"):
        await holds.add(ROOT, wanted(kind, "adda"))
    assert await holds.list() == []


async def test_without_read_groups_any_group_is_accepted(holds: Holds) -> None:
    """The service's role need not include this scope."""
    hold = await holds.add(ROOT, wanted(HoldKind.GROUP, "course"))
    assert hold.kind is HoldKind.GROUP


async def test_a_user_that_cannot_be_read_is_an_error(site: CullSite, holds: Holds) -> None:
    """Without the scope to read users, the service does not work at all."""
    site.hub.scopes.clear()
    with pytest.raises(HubForbidden):
        await holds.add(ROOT, wanted())
