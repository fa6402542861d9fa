"""Lists the Hub's users, decides on each and collects those that are due. Only reads."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from common.errors import HubError, HubForbidden, HubUnavailable, ServiceError
from common.hub.client import HubClient
from common.hub.models import Server, User
from services.cull.evaluator import PolicyEvaluator, Snapshot
from services.cull.passes.hub_health import HubHealth
from services.cull.passes.listing.foreign_stops import ForeignStops, in_words
from services.cull.passes.listing.pending import Pending, ServerKey
from services.cull.passes.listing.reporting import Reporting
from services.cull.passes.own_stops import OwnStops
from services.cull.passes.results import SurveyedServer, Tally
from services.cull.policy.model import Action, Decision, Protections, Reason, is_running
from services.cull.settings import CullSettings

log = logging.getLogger("cull")

STATES = ("ready", "pending", "not_ready", "no_time")
#: Any of these lets the token read a user's groups (JupyterHub's scopes contain one another).
GROUP_SCOPES = frozenset({"read:users:groups", "read:users", "users", "admin:users"})
_EARLIEST = datetime.min.replace(tzinfo=UTC)


#: The user and, where the candidate is one server, its name.
CandidateKey = tuple[str, str | None]


class GroupsHidden(HubForbidden):
    """Rules or holds apply to groups, but the token cannot read group memberships."""


class DueServer(msgspec.Struct, frozen=True, gc=False):
    """A server that is due, as it was listed."""

    name: str
    started: datetime | None
    decision: Decision


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One user's servers that are due, and the decision to delete the user, if they are due too.

    ``user`` is stored without servers, since there may be 10,000 candidates. ``since`` is when
    the longest idle one was last active.
    """

    user: User
    servers: tuple[DueServer, ...]
    delete: Decision | None
    since: datetime

    @property
    def key(self) -> CandidateKey:
        """What backs off after a failure: the server, or the user if more is affected."""
        single = self.delete is None and len(self.servers) == 1
        return self.user.name, self.servers[0].name if single else None

    @property
    def first(self) -> tuple[str | None, Decision]:
        """The name of the first server that is due, or None for the user; and the decision."""
        if self.servers:
            return self.servers[0].name, self.servers[0].decision
        if self.delete is None:
            raise ValueError("a candidate has a server or a user to act on")
        return None, self.delete


class Survey:
    """Collects decisions user by user: totals in ``tally``, and the candidates.

    With ``by_user``, where users are culled, all servers of a user make one candidate: the
    user's own activity must be read before any of their servers is stopped. With
    ``keep_servers`` the running servers are kept, too.
    """

    def __init__(self, tally: Tally, *, by_user: bool, keep_servers: bool) -> None:
        self.tally = tally
        self.candidates: list[Candidate] = []
        self.servers: list[SurveyedServer] = []
        self.no_time: set[ServerKey] = set()
        self.pending: set[ServerKey] = set()
        self.reporting = Reporting()
        self._by_user = by_user
        self._keep_servers = keep_servers
        self._groups: dict[tuple[str, ...], tuple[str, ...]] = {}

    def add(
        self, user: User, decisions: Mapping[str, Decision], delete: Decision | None = None
    ) -> None:
        """Add a listed user, with the decisions on their servers by name.

        ``delete`` is the decision on the user for when those servers have stopped.
        """
        tally = self.tally
        tally.users += 1
        owner: User | None = None
        due: list[DueServer] = []
        for name, decision in decisions.items():
            server = user.servers[name]
            tally.seen += 1
            tally.states[state_of(server, decision)] += 1
            tally.reasons[decision.reason] += 1
            if decision.reason is Reason.NO_TIME:
                self.no_time.add((user.name, name))
            elif decision.reason is Reason.PENDING:
                self.pending.add((user.name, name))
            if decision.action is Action.KEEP:
                tally.kept += 1
            else:
                due.append(DueServer(name, server.started, decision))
            if self._keep_servers:
                owner = owner or self._without_servers(user)
                self.servers.append(SurveyedServer(owner, server, decision))
        if delete is not None and delete.action is not Action.DELETE_USER:
            delete = None
        if due or delete:
            self._add_candidates(owner or self._without_servers(user), due, delete)

    def keep_idle(self) -> None:
        """Stop no server for idleness after all: no server reports its activity."""
        tally = self.tally
        spared = sum(_is_idle(server.decision) for one in self.candidates for server in one.servers)
        tally.reasons[Reason.IDLE] -= spared
        tally.reasons[Reason.UNREPORTED] += spared
        tally.kept += spared
        self.servers = [
            replace(one, decision=_unreported(one.decision)) if _is_idle(one.decision) else one
            for one in self.servers
        ]
        self.candidates = [kept for one in self.candidates if (kept := _without_idle(one))]

    def ordered(self) -> list[Candidate]:
        """The candidates, longest idle first; equal ones stay in the Hub's order."""
        return sorted(self.candidates, key=lambda candidate: candidate.since)

    def _add_candidates(self, user: User, due: list[DueServer], delete: Decision | None) -> None:
        if self._by_user:
            times = [_since(server) for server in due]
            if delete is not None:
                times.append(delete.idle_since or _EARLIEST)
            self.candidates.append(Candidate(user, tuple(due), delete, min(times)))
            return
        for server in due:
            self.candidates.append(Candidate(user, (server,), None, _since(server)))

    def _without_servers(self, user: User) -> User:
        groups = self._groups.setdefault(user.groups, user.groups)  # one tuple for all its users
        return replace(user, servers={}, groups=groups)


def _is_idle(decision: Decision) -> bool:
    return decision.action is not Action.KEEP and decision.reason is Reason.IDLE


def _unreported(decision: Decision) -> Decision:
    return replace(decision, action=Action.KEEP, reason=Reason.UNREPORTED, due=None)


def _without_idle(candidate: Candidate) -> Candidate | None:
    """The candidate without servers that are only due because they look idle.

    If one of a user's servers keeps running, the user is not deleted either.
    """
    servers = tuple(one for one in candidate.servers if not _is_idle(one.decision))
    delete = candidate.delete if len(servers) == len(candidate.servers) else None
    if not servers and delete is None:
        return None
    return replace(candidate, servers=servers, delete=delete)


def state_of(server: Server, decision: Decision) -> str:
    """The state of a server: one of STATES."""
    if server.pending:
        return "pending"
    if not server.ready:
        return "not_ready"
    return "no_time" if decision.reason is Reason.NO_TIME else "ready"


def _since(due: DueServer) -> datetime:
    return due.decision.idle_since or due.started or _EARLIEST


class Surveyor:
    """Makes surveys. ``own_stops`` corrects the users' last activity."""

    def __init__(
        self,
        hub: HubClient,
        hub_health: HubHealth,
        evaluator: PolicyEvaluator,
        own_stops: OwnStops,
        settings: CullSettings,
    ) -> None:
        self._hub = hub
        self._hub_health = hub_health
        self._evaluator = evaluator
        self._own_stops = own_stops
        self._settings = settings
        self._groups_visible = False
        self._no_time: set[ServerKey] = set()
        self._pending = Pending()
        self.foreign_stops = ForeignStops()
        self._up_since: datetime | None = None

    @property
    def stuck(self) -> int:
        """Servers that have been starting or stopping for too long."""
        return self._pending.stuck

    async def survey(self, tally: Tally, abandoned: Callable[[], bool]) -> Survey:
        """List all running servers, and all users where they are culled, and decide on each.

        Errors go to ``tally``. If the protections cannot be read, there are no candidates.
        """
        settings = self._settings
        survey = Survey(tally, by_user=settings.cull_users, keep_servers=settings.keep_servers)
        broken, gaps = self._hub.broken_items, self._hub.gaps
        self.foreign_stops.begin()
        try:
            await self._hub_health.check_before_pass()
            await self._read_pages(survey, abandoned)
        except ServiceError as error:
            tally.complete = False
            tally.error(str(error), error)
            log.error("The listing is incomplete: %s", error)
            if not isinstance(error, HubError) or isinstance(error, GroupsHidden):
                survey.candidates.clear()
            elif isinstance(error, HubUnavailable):
                await self._hub_health.check()
        if self._hub.gaps > gaps:
            log.info("The listing changed while it was read; the next pass finds missed users.")
        missed = self._hub.gaps > gaps or self._hub.broken_items > broken
        self._check_foreign_stops(survey, missed=missed)
        self._check_reporting(survey)
        self._report(survey, self._hub.broken_items - broken)
        return survey

    async def _read_pages(self, survey: Survey, abandoned: Callable[[], bool]) -> None:
        protections: Protections | None = None
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                # Not before the first page, which brings the Hub's time.
                protections = protections or await self._protections()
                snapshot = self._evaluator.snapshot(protections)
                for user in page:
                    await self._add(survey, user, snapshot)
                if abandoned():
                    survey.tally.complete = False
                    return

    async def _pages(self) -> AsyncGenerator[list[User]]:
        """The users to decide on, a page at a time; only those that can matter are requested."""
        for state in ("inactive", "ready") if self._settings.cull_users else ("ready",):
            async with aclosing(self._hub.users(state=state)) as pages:
                async for page in pages:
                    yield page

    async def _protections(self) -> Protections:
        protections = await self._evaluator.protections()
        groups_matter = protections.group_holds or self._evaluator.policy().needs_groups
        if groups_matter and not self._groups_visible:
            scopes = {scope.partition("!")[0] for scope in (await self._hub.whoami()).scopes}
            if not scopes & GROUP_SCOPES:
                raise GroupsHidden(
                    "no server is stopped: a rule or a hold applies to a group, but the token"
                    " lacks the scope read:users:groups"
                )
            self._groups_visible = True
        return protections

    async def _add(self, survey: Survey, user: User, snapshot: Snapshot) -> None:
        decisions: dict[str, Decision] = {}
        delete = None
        try:
            for name, server in user.servers.items():
                if is_running(server):
                    self.foreign_stops.add(user.name, server, snapshot.now)
                    verdict = None
                    if snapshot.arbiter is not None:  # else not even a coroutine for each server
                        verdict = await snapshot.verdict(user, server)
                    decisions[name] = snapshot.decide_server(user, server, verdict)
            if self._settings.cull_users and all(
                decision.action is not Action.KEEP for decision in decisions.values()
            ):
                delete = snapshot.decide_user(replace(self._own_stops.corrected(user), servers={}))
        except Exception as error:  # an arbiter can raise anything; it affects this user only
            survey.tally.error(f"{user.name}: {type(error).__name__}: {error}")
            log.exception("The decision on %s failed", user.name)
            return
        for name in decisions:
            survey.reporting.add(user.servers[name], snapshot.now)
        survey.add(user, decisions, delete)

    def _check_reporting(self, survey: Survey) -> None:
        """Keep all servers that look idle if none reports its activity."""
        if survey.reporting.is_missing:
            survey.keep_idle()
        evaluator, missing = self._evaluator, survey.reporting.is_missing
        if not survey.tally.complete or missing is evaluator.unreported:
            return
        evaluator.unreported = missing
        if missing:
            log.error(
                "None of %d servers has reported any activity to the Hub for 20 minutes, so none is"
                " stopped for being idle. Servers report through jupyterhub-singleuser; check that"
                " they reach the Hub's API, and c.JupyterHub.last_activity_interval.",
                survey.reporting.silent,
            )
        else:
            log.info("Servers report their activity to the Hub: idle ones are stopped again.")

    def _check_foreign_stops(self, survey: Survey, *, missed: bool) -> None:
        """Warn once a day if something else stops idle servers; ``missed``: not all were read."""
        foreign, now = self.foreign_stops, self._hub.hub_now()
        if missed or not survey.tally.complete or survey.reporting.is_missing:
            foreign.forget()
            return
        health = self._hub_health
        before, self._up_since = self._up_since, health.settle.counted_from
        same_hub = before == self._up_since and not health.settling
        own = [(one.user.name, due.name) for one in survey.candidates for due in one.servers]
        stopped = foreign.end(own, now, comparable=same_hub)
        if stopped and foreign.should_warn(now):
            log.warning("%s", in_words(stopped))

    def _report(self, survey: Survey, broken: int) -> None:
        if broken:
            text = f"{broken} users could not be read from the Hub's response"
            survey.tally.error(text)
            log.error("%s", text)
        for user, server in sorted(survey.no_time - self._no_time):
            log.warning("%s/%s has no usable time and is never stopped", user, server)
        self._no_time = survey.no_time
        if survey.tally.complete:
            for user, server in self._pending.update(survey.pending, self._hub.hub_now()):
                log.warning(
                    "%s/%s has been starting or stopping for more than an hour; the Hub may have"
                    " lost track of it",
                    user,
                    server,
                )
