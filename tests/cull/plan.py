"""A plan for a culler on the fake Hub, in the present time."""

from datetime import UTC, datetime
from typing import Any

from services.cull.assembly import Plan
from services.cull.policy.model import Flags, Policy
from services.cull.settings import CullSettings
from tests.fakes.hub import FakeHub


def make_plan(hub: FakeHub, *, flags: Flags | None = None, **changes: Any) -> Plan:
    """Passes on this Hub with an idle timeout of an hour, without a database."""
    hub.now = lambda: datetime.now(UTC)
    policy = Policy.from_flags(flags or Flags(timeout=3600))
    given: dict[str, Any] = {
        "api_url": hub.api_url,
        "token": hub.token,
        "tls": None,
        "timeout_seconds": 5.0,
        "page_size": 0,
        "settle_seconds": 0.0,
        "policy": lambda: policy,
        "settings": CullSettings(),
    }
    return Plan(**(given | changes))
