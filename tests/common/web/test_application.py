"""The routes that every service has: health, ready and metrics."""

import pytest

from tests.common.web.service import PREFIX, running
from tests.fakes.site import Site


async def test_health() -> None:
    """Health is 200 while the process serves, even if it is not ready."""
    async with running() as service:
        service.readiness.set("hub", "away")
        assert (await service.get(PREFIX + "health"))[0] == 200


async def test_ready() -> None:
    """Ready is 503 with every reason while a part is not ready, otherwise 200."""
    async with running() as service:
        assert (await service.get(PREFIX + "ready"))[0] == 200
        service.readiness.set("hub", "the Hub does not answer")
        service.readiness.set("database", "locked")
        status, text, _ = await service.get(PREFIX + "ready")
        assert status == 503
        assert "the Hub does not answer" in text
        assert "locked" in text
        service.readiness.set("hub", None)
        service.readiness.set("database", None)
        assert (await service.get(PREFIX + "ready"))[0] == 200


async def test_prefix_without_slash() -> None:
    """The prefix without its final slash redirects to the one with it."""
    async with running() as service:
        status, _, headers = await service.get(PREFIX.rstrip("/"))
        assert (status, headers["Location"]) == (302, PREFIX)


async def test_prefix_may_be_the_root() -> None:
    """The prefix of a service may be ``/``."""
    async with running(prefix="/") as service:
        assert (await service.get("/health"))[0] == 200


async def test_metrics_without_authentication() -> None:
    """With authenticate_prometheus off, anyone can read the metrics."""
    async with running(authenticate_prometheus=False) as service:
        status, text, headers = await service.get(PREFIX + "metrics")
        assert status == 200
        assert "jupyterhub_cull_hub_requests" in text
        assert headers["Content-Type"].startswith("text/plain; version=")


async def test_metrics_without_sign_in() -> None:
    """Without sign-in, metrics are 403 unless authentication is off."""
    async with running() as service:
        status, text, _ = await service.get(PREFIX + "metrics")
        assert status == 403
        assert "Sign-in is not configured" in text


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        (["read:metrics"], 200),
        (["custom:admin"], 200),
        (["custom:other"], 403),
        (["access:services!service=cull"], 403),
        (["access:services"], 403),
        ([], 403),
    ],
)
async def test_metrics_by_token(cull: Site, scopes: list[str], status: int) -> None:
    """Metrics need a Hub token with read:metrics or with the scope to see everything."""
    token = cull.hub.add_token("ada", *scopes)
    browser = await cull.browser()
    header = {"Authorization": f"Bearer {token}"}
    assert (await browser.fetch(PREFIX + "metrics", headers=header)).status == status


async def test_metrics_without_a_valid_token(cull: Site) -> None:
    """Metrics are 401 without a token in the header, or with an unknown one."""
    browser = await cull.browser("ada")
    assert (await browser.go(PREFIX + "metrics")).status == 401
    header = {"Authorization": "token nonsense"}
    assert (await browser.fetch(PREFIX + "metrics", headers=header)).status == 401
