"""What the site reads from the running culler: its policy, its decisions and its last passes."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from common.hub.models import Server, User
from services.cull.passes.executor import Culler
from services.cull.passes.results import PassResult, SurveyedServer
from services.cull.policy.model import Decision, Policy, Protections, is_running
from services.cull.policy.rules import Rule
from services.cull.store.store import AUDIT_DAYS


class CullerState:
    """The culler, read-only."""

    def __init__(self, culler: Culler) -> None:
        self._culler = culler

    def now(self) -> datetime:
        """The Hub's time."""
        return self._culler.evaluator.now()

    def policy(self) -> Policy:
        """The policy in force."""
        return self._culler.evaluator.policy()

    def rule(self, user: User, server: Server) -> Rule:
        """The rule that applies to a server now."""
        return self.policy().rule_for(user, server, self.now())

    async def decide(self, user: User, server: Server, protections: Protections) -> Decision:
        """What a pass would do with a server now, given the extensions and holds."""
        return await self._culler.evaluator.decide_server(user, server, protections)

    @property
    def unreported(self) -> bool:
        """Whether no server reports its activity, so that none counts as idle."""
        return self._culler.evaluator.unreported

    @property
    def policy_problems(self) -> Sequence[str]:
        """Why the policy file is refused; empty if it is in force."""
        return self._culler.evaluator.policy_problems()

    @property
    def foreign_stops(self) -> int:
        """How many idle servers something else has stopped in the last 24 hours."""
        return self._culler.foreign_stops.today(self.now())

    def passes(self) -> list[PassResult]:
        """The last passes, the oldest first."""
        return list(self._culler.history)

    def audit_complete(self) -> tuple[datetime | None, datetime | None]:
        """From when until when every stop is in the audit log; None: unknown."""
        audit = self._culler.audit
        since = audit.complete_since
        if since is not None:
            since = max(since, self.now() - timedelta(days=AUDIT_DAYS - 1))
        return since, audit.complete_until

    def servers(self) -> Iterable[SurveyedServer]:
        """All running servers, as the last complete pass found them."""
        return self._culler.servers()

    def servers_as_of(self) -> datetime | None:
        """When that pass listed them, by the Hub's clock; None before the first pass."""
        return self._culler.as_of


def running_servers(user: User) -> list[Server]:
    """The user's servers that are running, starting or stopping, by name."""
    running = (server for server in user.servers.values() if is_running(server))
    return sorted(running, key=lambda server: server.name)
