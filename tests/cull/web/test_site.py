"""The site as a whole."""

from pathlib import Path

import aiohttp
import pytest

from common.hub.client import HubClient
from common.hub.retry import NO_RETRY
from common.oauth.sign_in import OAuthSettings
from common.readiness import Readiness
from common.web.metrics import Metrics
from common.web.server import Bind
from services.cull.evaluator import PolicyEvaluator
from services.cull.passes.executor import Culler
from services.cull.passes.hub_health import HubHealth
from services.cull.policy.model import Flags, Policy
from services.cull.settings import CullSettings
from services.cull.store.store import CullStore
from services.cull.web.site import SiteSettings, serve_site
from tests.cull.web.site import ACCESS, PREFIX
from tests.fakes.clock import FakeClock
from tests.fakes.hub import FakeHub
from tests.fakes.oauth import FakeOAuth


@pytest.mark.parametrize(
    ("path", "status"),
    [("health", 200), ("ready", 503), ("metrics", 200), ("api/openapi.json", 200), ("", 302)],
)
async def test_every_part_of_the_site_is_served(
    fake_hub: FakeHub, tmp_path: Path, path: str, status: int
) -> None:
    """Health, readiness, metrics and API description are open; pages send visitors to sign in."""
    readiness = Readiness()
    readiness.set("pass", "no pass has run yet")
    clock = FakeClock()
    policy = Policy.from_flags(Flags())
    async with (
        FakeOAuth() as oauth,
        aiohttp.ClientSession() as session,
        CullStore(f"sqlite:///{tmp_path}/cull.sqlite") as store,
    ):
        hub = HubClient(session, fake_hub.api_url, fake_hub.token, clock=clock, retry=NO_RETRY)
        evaluator = PolicyEvaluator(lambda: policy, hub.hub_now, lambda: None, store=store)
        settings = SiteSettings(
            bind=Bind(),
            prefix=PREFIX,
            hub_url="/hub/",
            oauth=OAuthSettings(
                api_url=oauth.api_url,
                api_token=oauth.secret,
                client_id=oauth.client_id,
                prefix=PREFIX,
                access_scopes=frozenset({ACCESS}),
            ),
            authenticate_prometheus=False,
            admin_groups=frozenset(),
        )
        serving = serve_site(
            settings,
            culler=Culler(hub, HubHealth(hub, 0, clock), evaluator, CullSettings(), clock),
            store=store,
            hub=hub,
            metrics=Metrics("cull"),
            readiness=readiness,
        )
        async with serving as port:
            url = f"http://127.0.0.1:{port}{PREFIX}{path}"
            headers = {
                "Accept": "text/html",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            }
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                assert response.status == status
