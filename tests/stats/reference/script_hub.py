"""A fake Hub on which a script happens, and which keeps what it answered."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from tests.fakes.faults import Fault
from tests.fakes.hub import FakeHub
from tests.stats.reference.history import History, Step


@dataclass(frozen=True)
class Answer:
    """One page of a listing, as it was sent."""

    listing: str
    """``active``, ``recent`` (the latest activity first) or ``all``."""
    offset: int
    total: int
    is_last: bool
    users: tuple[dict[str, Any], ...]
    failed: bool = False
    """Whether an error was sent in place of the page."""


@dataclass(frozen=True)
class Polled:
    """Everything that the Hub answered to one poll."""

    minute: int
    answers: tuple[Answer, ...]


class ScriptHub(FakeHub):
    """Call ``happen`` for each event at the Hub, and ``polled`` after each poll."""

    def __init__(self) -> None:
        super().__init__()
        self.begin(History(()))

    def begin(self, history: History) -> None:
        """Forget everything, and begin another history."""
        self.history = history
        self.minute = 0
        self.accounts = 0
        self.answers: list[Answer] = []
        self.users.clear()
        self.groups.clear()
        self.faults.clear()
        self.seen.clear()
        self.hidden = set()
        self.max_page_size = history.page_size
        self.now = lambda: self.history.time(self.minute)
        self.before = lambda request: None

    def happen(self, step: Step) -> None:
        """An event at the Hub."""
        getattr(self, "_it_" + step.do)(step.user, step.detail)

    def expect(self, step: Step) -> None:
        """What goes wrong during the poll that follows."""
        requests: Counter[str] = Counter()

        def before(request: web.Request) -> None:
            if not request.path.endswith("/users"):
                return
            kind = _listing(request)
            requests[kind] += int(request.query.get("offset", 0)) == 0
            if step.do == "short" or (step.do == "short once" and requests[kind] == 1):
                self.hidden = {step.user}
            else:
                self.hidden = set()
            if step.do == "fail" and len(self.answers) == int(step.detail):
                self.faults = [Fault("status", times=1)]
                offset = int(request.query.get("offset", 0))
                self.answers.append(Answer(kind, offset, 0, True, (), failed=True))

        self.answers = []
        self.before = before

    def polled(self) -> Polled:
        """What was answered since ``expect``."""
        self.faults = []
        self.before = lambda request: None
        self.hidden = set()
        return Polled(self.minute, tuple(self.answers))

    def _page(self, request: web.Request, items: list[Any], model: Any) -> web.Response:
        # The same response, and a copy of what it says.
        response = super()._page(request, items, model)
        offset, limit = int(request.query.get("offset", 0)), self.max_page_size
        shown = [user for user in items[offset : offset + limit] if user.name not in self.hidden]
        self.answers.append(
            Answer(
                listing=_listing(request),
                offset=offset,
                total=len(items),
                is_last=offset + limit >= len(items),
                users=tuple(user.model() for user in shown),
            )
        )
        return response

    # -- events

    def _it_create(self, name: str, _: str) -> None:
        if name not in self.users:
            self.accounts += 1
            # No two accounts are created at the same moment.
            self.add_user(name, created=self.now() + timedelta(microseconds=self.accounts))

    def _it_delete(self, name: str, _: str) -> None:
        self.users.pop(name, None)

    def _it_recreate(self, name: str, _: str) -> None:
        user = self.users.pop(name, None)
        if user is not None:
            self._it_create(name, "")
            self.users[name].groups = list(user.groups)

    def _it_rename(self, name: str, new: str) -> None:
        if name in self.users and new not in self.users:
            user = self.users.pop(name)
            user.name = new
            self.users[new] = user

    def _it_join(self, name: str, group: str) -> None:
        if (user := self.users.get(name)) and group not in user.groups:
            user.groups = [*user.groups, group]

    def _it_leave(self, name: str, group: str) -> None:
        if user := self.users.get(name):
            user.groups = [one for one in user.groups if one != group]

    def _it_start(self, name: str, server: str) -> None:
        if (user := self.users.get(name)) and server not in user.servers:
            made = self.add_server(name, server)
            # Times are whole minutes: a server starts, and reports it, within one.
            made.started = made.last_activity = user.last_activity = self.now()

    def _it_report(self, name: str, server: str) -> None:
        if (user := self.users.get(name)) and server in user.servers:
            user.last_activity = user.servers[server].last_activity = self.now()

    def _it_stop(self, name: str, server: str) -> None:
        if (user := self.users.get(name)) and user.servers.pop(server, None):
            user.last_activity = self.now()  # as JupyterHub does, no matter who stops it

    def _it_view(self, name: str, _: str) -> None:
        if user := self.users.get(name):
            user.last_activity = self.now()


def _listing(request: web.Request) -> str:
    if request.query.get("state") == "active":
        return "active"
    return "recent" if "sort" in request.query else "all"
