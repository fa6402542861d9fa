"""Lists the Hub's users and decides on each. Reads only."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from msgspec.structs import replace

from common.errors import HubError, HubForbidden, HubUnavailable, ServiceError
from common.hub.client import HubClient
from common.hub.models import User
from services.cull.passes.candidates import OwnStop, Survey, is_there, without_own_stop
from services.cull.passes.judge import Judge, Moment
from services.cull.passes.results import Tally
from services.cull.policy.model import Action, Decision, Protections

log = logging.getLogger("cull")

#: Any of these shows us the groups of a user (JupyterHub's scopes contain one another).
GROUP_SCOPES = frozenset({"read:users:groups", "read:users", "users", "admin:users"})


class GroupsUnseen(HubForbidden):
    """Rules or holds are for groups, and our token does not show us who is in which."""


class Surveyor:
    """Makes surveys. ``own`` are our own stops, by user."""

    def __init__(
        self,
        hub: HubClient,
        judge: Judge,
        own: Mapping[str, OwnStop],
        *,
        cull_users: bool,
        keep_rows: bool,
    ) -> None:
        self._hub = hub
        self._judge = judge
        self._own = own
        self._cull_users = cull_users
        self._keep_rows = keep_rows
        self._sees_groups = False
        self._no_time: set[tuple[str, str]] = set()

    async def survey(self, tally: Tally, goes_on: Callable[[], bool]) -> Survey:
        """List all running servers, and users where they are culled, and decide on each.

        What goes wrong is in ``tally``. Where it is not known who is held, nobody is due.
        """
        survey = Survey(tally, by_user=self._cull_users, keep_rows=self._keep_rows)
        broken, gaps = self._hub.broken_items, self._hub.gaps
        protections: Protections | None = None
        try:
            await self._judge.watch.refresh()
            async with aclosing(self._listed()) as pages:
                async for page in pages:
                    # Not before the first page: it brings the Hub's time.
                    protections = protections or await self._protections()
                    moment = self._judge.moment_with(protections)
                    for user in page:
                        await self._add(survey, user, moment)
                    if not goes_on():
                        tally.whole = False
                        break
        except ServiceError as error:
            tally.whole = False
            tally.error(str(error), error)
            log.error("The listing broke off: %s", error)
            if not isinstance(error, HubError) or isinstance(error, GroupsUnseen):
                survey.candidates.clear()
            elif isinstance(error, HubUnavailable):
                await self._judge.watch.look()
        if self._hub.gaps > gaps:
            log.info("The listing shifted while it was read: who was skipped comes next time.")
        self._tell(survey, self._hub.broken_items - broken)
        return survey

    async def _listed(self) -> AsyncGenerator[list[User]]:
        """The users to decide on. Each state asks no more of the Hub than it must."""
        for state in ("inactive", "ready") if self._cull_users else ("ready",):
            async with aclosing(self._hub.users(state=state)) as pages:
                async for page in pages:
                    yield page

    async def _protections(self) -> Protections:
        protections = await self._judge.protections()
        if (protections.group_holds or self._judge.policy().needs_groups) and not self._sees_groups:
            scopes = {scope.partition("!")[0] for scope in (await self._hub.whoami()).scopes}
            if not scopes & GROUP_SCOPES:
                raise GroupsUnseen(
                    "nobody is stopped: a rule or a hold is for a group, and our token lacks the"
                    " scope read:users:groups"
                )
            self._sees_groups = True
        return protections

    async def _add(self, survey: Survey, user: User, moment: Moment) -> None:
        decisions: dict[str, Decision] = {}
        delete = None
        try:
            for name, server in user.servers.items():
                if not is_there(server):
                    continue
                decisions[name] = (
                    moment.server(user, server)
                    if moment.arbiter is None
                    else await moment.asked(user, server)
                )
            if self._cull_users and all(
                decision.action is not Action.KEEP for decision in decisions.values()
            ):
                own = self._own.get(user.name)
                delete = moment.user(replace(without_own_stop(user, own), servers={}))
        except Exception as error:  # an arbiter can raise anything: it costs this user alone
            survey.tally.error(f"{user.name}: {type(error).__name__}: {error}")
            log.exception("%s cannot be decided on", user.name)
            return
        survey.add(user, decisions, delete)

    def _tell(self, survey: Survey, broken: int) -> None:
        if broken:
            survey.tally.error(f"{broken} users are not readable in the Hub's answer")
            log.error("%d users are not readable in the Hub's answer", broken)
        for user, server in sorted(survey.no_time - self._no_time):
            log.warning("%s/%s has no usable time and is never stopped", user, server)
        self._no_time = survey.no_time
