"""A user and an idle server at one moment, and strategies, for the tests of the policy."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from common.hub.models import Server, User
from services.cull.policy.model import Flags

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
USER = User(name="ana", groups=("nbgrader-c1",), created=NOW - 100 * HOUR)
IDLE = Server(name="", ready=True, started=NOW - 5 * HOUR, last_activity=NOW - HOUR)
FLAGS = Flags(timeout=600)


def ago(**delta: float) -> datetime:
    """A time before ``NOW``."""
    return NOW - timedelta(**delta)


times = st.integers(-10_000, 10_000).map(lambda seconds: NOW + timedelta(seconds=seconds))

servers = st.builds(
    lambda name, started, active: Server(
        name=name, ready=True, started=started, last_activity=active
    ),
    st.sampled_from(["", "gpu"]),
    st.none() | times,
    st.none() | times,
)

flag_sets = st.builds(
    Flags,
    timeout=st.integers(0, 5000),
    max_age=st.sampled_from([0, 100, 9000]),
    cull_default_servers=st.booleans(),
    cull_named_servers=st.booleans(),
)
