"""The statistics' settings and commands, and how their parts are put together."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from traitlets import Bool, Int, List, Unicode

from common.config import ServiceApp
from common.errors import ConfigError
from common.launch import Command
from services.stats.access import ADMIN_SCOPE

if TYPE_CHECKING:
    from common.hub import HubClient
    from common.metrics import Metrics
    from services.stats.pseudonyms import Pseudonyms
    from services.stats.queries import Queries
    from services.stats.recorder import Recorder
    from services.stats.recorder import Settings as RecorderSettings
    from services.stats.service import Readiness
    from services.stats.store import Store

log = logging.getLogger("stats")

_RANGE = {
    "since": "The first day, as 2026-03-01, or how far back, as 90d.",
    "until": "The last day, as 2026-07-31. Default: today.",
}


class StatsApp(ServiceApp):
    """Records who uses the hub and answers questions about it."""

    name = "stats"
    description = "Records who uses the hub, and answers questions about it."
    examples = """
    python -m services.stats --db-url=sqlite:////var/lib/jupyterhub/stats.sqlite
    python -m services.stats report --since=90d --by=week --group=nbgrader-course101
    """
    teach = ("db-url", "interval", "timezone", "retention", "url", "config", "log-format")
    commands: ClassVar[Mapping[str, Command]] = {
        "report": Command(
            help="Active users, sessions, hours and servers, by day, week or month.",
            run="report",
            options=_RANGE
            | {
                "by": "day, week or month. Default: day.",
                "group": "Only the members of this group.",
                "user": "Only this user.",
                "inactive-since": "Instead: who (of the group) has not been active since this day.",
                "format": "table, csv or json. Default: table.",
            },
        ),
        "export": Command(
            help="Write the raw tables into files of a directory.",
            run="export",
            words=("DIRECTORY",),
            options=_RANGE
            | {
                "format": "csv, json (a line a row) or parquet. Default: csv.",
                "what": "Which, with commas: sessions, activity, user_days, memberships, polls.",
            },
        ),
        "import-activity": Command(
            help="Take over a file of log_jupyterhub_activity (activity.sqlite).",
            run="import_activity",
            words=("FILE",),
        ),
        "forget-user": Command(
            help="Remove a person, and all that is known of them.",
            run="forget_user",
            words=("NAME",),
        ),
        "demo-data": Command(
            help="Fill an empty database with a made-up semester, to look around.",
            run="demo_data",
            options={"days": "How many days, up to yesterday. Default: 120."},
        ),
    }

    db_url = Unicode(
        "sqlite:///stats.sqlite",
        help="The database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    ).tag(config=True)
    migrate = Bool(
        True, help="Bring the database's tables up to date at start; else refuse older ones."
    ).tag(config=True)
    interval = Int(
        300, min=10, help="Seconds between polls of the Hub; it knows activity to 300 s."
    ).tag(config=True)
    full_interval = Int(
        6 * 3600, min=60, help="Seconds between listings of all users, for deletions and groups."
    ).tag(config=True)
    timezone = Unicode("UTC", help="Where a day begins and ends, as Europe/Berlin.").tag(
        config=True
    )
    retention = Int(
        0,
        min=0,
        help="Days to keep raw activity; sums of days are kept anyway. 0: for ever.",
    ).tag(config=True)
    pseudonymise = Bool(False, help="Store keyed hashes in place of user names.").tag(config=True)
    pseudonym_key_file = Unicode(help="A file with the key for --pseudonymise.").tag(config=True)
    admin_groups = List(
        Unicode(),
        help="Groups whose members see everything; may be given several times."
        f" Default: the Hub's admins, and who has the scope {ADMIN_SCOPE}.",
    ).tag(config=True)
    metric_groups = Int(
        50, min=0, help="So many groups, the largest, have metrics of their own; 0 for none."
    ).tag(config=True)
    user_metrics = Bool(False, help="Show in the metrics which user runs servers.").tag(config=True)

    aliases: dict[str, str] = ServiceApp.aliases | {
        name.replace("_", "-"): f"StatsApp.{name}"
        for name in (
            "db_url",
            "migrate",
            "interval",
            "full_interval",
            "timezone",
            "retention",
            "pseudonymise",
            "pseudonym_key_file",
            "admin_groups",
            "metric_groups",
            "user_metrics",
        )
    }
    flags: dict[str, Any] = ServiceApp.flags | {
        "no-migrate": (
            {"StatsApp": {"migrate": False}},
            "Refuse to start where the database's tables are not up to date.",
        ),
    }

    # -- what the settings come to

    @property
    def zone(self) -> ZoneInfo:
        """Where a day begins and ends."""
        return ZoneInfo(self.timezone)

    def pseudonyms(self) -> "Pseudonyms | None":
        """What gives names their hashes; None where names are kept. Raises ConfigError."""
        if not self.pseudonymise:
            return None
        from services.stats.pseudonyms import Pseudonyms

        return Pseudonyms.from_file(self.pseudonym_key_file)

    def problems(self) -> list[str]:
        """As of every service, and those of the database's URL, time zone and key."""
        from services.stats.schema import parse_db_url

        found = super().problems()
        try:
            parse_db_url(self.db_url)
        except ConfigError as error:
            found += error.problems
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            found.append(
                f"--timezone: there is no time zone {self.timezone!r}; write one such as"
                " Europe/Berlin."
            )
        if self.pseudonymise and not self.pseudonym_key_file:
            found.append("--pseudonymise needs a key: write --pseudonym-key-file=FILE.")
        elif self.pseudonymise:
            try:
                self.pseudonyms()
            except ConfigError as error:
                found += error.problems
        return found

    @property
    def needed_scopes(self) -> dict[str, str]:
        """What our token must be allowed to do, and why."""
        return {
            "list:users": "to list the users",
            "read:users": "to see when somebody was active, their groups, and when their account"
            " was made, which tells people of one name apart",
            "read:servers": "to see servers and when they were active",
        }

    def recorder_settings(self) -> "RecorderSettings":
        """How to record."""
        from services.stats.recorder import Settings

        return Settings(
            interval=self.interval,
            full_interval=self.full_interval,
            retention=timedelta(days=self.retention) if self.retention else None,
        )

    @asynccontextmanager
    async def store(self, *, wait: bool = False) -> "AsyncIterator[Store]":
        """The open database. With ``wait`` one that is away is waited for."""
        from services.stats.schema import SchemaError
        from services.stats.store import AWAY, Store, StoreError

        pseudonyms = self.pseudonyms()
        pause = 1.0
        while True:
            try:
                store = await Store.open(self.db_url, self.zone, migrate=self.migrate)
                break
            except SchemaError as exc:
                raise ConfigError([f"--db-url: {exc}"]) from exc
            except AWAY as exc:
                reason = str(getattr(exc, "orig", None) or exc).partition("\n")[0]
                if not wait or self.db_url.startswith("sqlite"):
                    raise ConfigError(
                        [f"--db-url: the database cannot be opened: {reason}"]
                    ) from exc
                log.warning("Waiting for the database: %s", reason)
                await asyncio.sleep(pause)
                pause = min(2 * pause, 30.0)
        try:
            await store.keep_names_as(pseudonyms.fingerprint() if pseudonyms else "plain")
            gc.freeze()  # collections then leave alone what was imported: most of all there is
            yield store
        except StoreError as exc:
            raise ConfigError([str(exc)]) from exc
        finally:
            await store.close()

    # -- commands

    async def report(self, _words: Sequence[str], options: Mapping[str, str]) -> int:
        """``report``"""
        from services.stats import commands

        async with self.store() as store:
            print(await commands.report(store, options, self.pseudonyms()), end="")
        return 0

    async def export(self, words: Sequence[str], options: Mapping[str, str]) -> int:
        """``export DIRECTORY``"""
        from services.stats import commands

        async with self.store() as store:
            print(await commands.export_tables(store, Path(words[0]), options), end="")
        return 0

    async def import_activity(self, words: Sequence[str], _options: Mapping[str, str]) -> int:
        """``import-activity FILE``"""
        from services.stats import commands

        async with self.store() as store:
            told = await commands.import_activity(store, Path(words[0]), self.pseudonyms())
            print(told, end="")
        return 0

    async def forget_user(self, words: Sequence[str], _options: Mapping[str, str]) -> int:
        """``forget-user NAME``"""
        pseudonyms = self.pseudonyms()
        name = pseudonyms.name(words[0]) if pseudonyms else words[0]
        async with self.store() as store:
            number = await store.forget(name)
        if not number:
            print(f"Nothing is known of {words[0]}.")
            return 1
        print(
            f"{words[0]} is forgotten. As long as the Hub has the account, what it does from now"
            " on is recorded as a newcomer's."
        )
        return 0

    async def demo_data(self, _words: Sequence[str], options: Mapping[str, str]) -> int:
        """``demo-data``"""
        from services.stats import commands

        async with self.store() as store:
            print(await commands.demo_data(store, options), end="")
        return 0

    # -- running

    async def main(self) -> int:
        """Record and serve until told to stop."""
        from common.clock import SystemClock
        from common.http import client_session
        from common.hub import HubClient
        from common.metrics import Metrics
        from services.stats.metrics import StatsMetrics
        from services.stats.queries import Queries
        from services.stats.recorder import Recorder
        from services.stats.service import NoReadiness, Service

        registry = Metrics("stats", version=self.version)
        pseudonyms = self.pseudonyms()
        clock = SystemClock()
        async with AsyncExitStack() as stack:
            opening = asyncio.ensure_future(stack.enter_async_context(self.store(wait=True)))
            stopped = asyncio.ensure_future(self.stopping.wait())
            await asyncio.wait({opening, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not opening.done():
                opening.cancel()
                return 0
            store = await opening
            session = await stack.enter_async_context(client_session(self.url, tls=self.hub_tls))
            hub = HubClient(
                session,
                self.url,
                self.token,
                clock=clock,
                timeout_seconds=float(self.request_timeout),
                on_request=registry.hub_requests,
            )
            recorder = Recorder(hub, store, self.recorder_settings(), clock=clock)
            if pseudonyms is not None:
                recorder.rename = pseudonyms.user
            readiness: Readiness = NoReadiness()
            queries = None
            if self.serves:
                queries = Queries(store, name_of=pseudonyms.name if pseudonyms else str)
                readiness = await self._serve_pages(stack, queries, hub, registry)
            gc.freeze()
            service = Service(
                recorder=recorder,
                clock=clock,
                metrics=StatsMetrics(registry, per_user=self.user_metrics),
                readiness=readiness,
                metric_groups=self.metric_groups,
                per_user=self.user_metrics,
                after_poll=queries.count_today if queries else None,
            )
            await service.run(self.stopping, lambda: self._prepare(hub, recorder))
        return 0

    async def _prepare(self, hub: "HubClient", recorder: "Recorder") -> None:
        """Wait for the Hub, and hear its time; without the scope for groups leave them alone."""
        from dataclasses import replace

        missing = await self.check_scopes(hub, self.needed_scopes)
        if "read:users" in missing:
            recorder.settings = replace(recorder.settings, groups_readable=False)

    async def _serve_pages(
        self, stack: AsyncExitStack, queries: "Queries", hub: "HubClient", registry: "Metrics"
    ) -> "Readiness":
        """Serve pages, API, health and metrics until the stack is closed."""
        from common.oauth import SignIn
        from common.web import Bind, Readiness, create_app, serve
        from services.stats.api import add_api
        from services.stats.viewers import Viewers
        from services.stats.views import add_pages

        readiness = Readiness()
        readiness.set("poll", "no poll was made yet")
        sign_in = SignIn(self.oauth_settings())
        app = create_app(
            prefix=self.prefix,
            metrics=registry,
            readiness=readiness,
            sign_in=sign_in,
            authenticate_prometheus=self.authenticate_prometheus,
            title="Statistics",
            hub_url=self.public_hub_url,
        )
        viewers = Viewers(sign_in, hub, frozenset(self.admin_groups))
        add_pages(app, queries=queries, viewers=viewers)
        add_api(app, queries=queries, viewers=viewers)
        tls = self.server_tls
        bind = Bind(self.ip, self.port or 0, tls.server_context() if tls else None)
        port = await stack.enter_async_context(serve(app, bind))
        log.info("Pages at http://%s:%d%s", self.ip, port, self.prefix)
        return readiness
