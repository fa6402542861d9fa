"""The statistics' settings and commands."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from traitlets import Bool, Int, List, Unicode

from common.config.application import ServiceApp
from common.config.command import Command
from common.db.address import parse_address
from common.errors import ConfigError, StoreError, StoreUnavailable
from services.stats.scopes import ADMIN_SCOPE

if TYPE_CHECKING:
    from services.stats.pseudonyms import Pseudonyms
    from services.stats.record.recorder import Settings as RecorderSettings
    from services.stats.store.store import Store

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
    main_options = ("db-url", "interval", "timezone", "retention", "url", "config", "log-format")
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
        from common.db.checks import database_problems

        found = super().problems()
        found += database_problems(self.db_url)
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

    def recorder_settings(self) -> "RecorderSettings":
        """How to record."""
        from services.stats.record.recorder import Settings

        return Settings(
            interval=self.interval,
            full_interval=self.full_interval,
            retention=timedelta(days=self.retention) if self.retention else None,
        )

    @asynccontextmanager
    async def store(self, *, wait: bool = False) -> "AsyncIterator[Store]":
        """The open database. With ``wait``, waits for PostgreSQL while it is out of reach."""
        from services.stats.store.store import Store

        pseudonyms = self.pseudonyms()
        pause = 1.0
        while True:
            try:
                store = await Store.open(self.db_url, self.zone, migrate=self.migrate)
                break
            except StoreUnavailable as error:
                if not wait or parse_address(self.db_url).is_sqlite:
                    raise ConfigError([f"--db-url: cannot open the {error}"]) from error
                log.warning("Waiting for the database: %s", error)
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
        from services.stats.commands import run as commands

        async with self.store() as store:
            print(await commands.report(store, options, self.pseudonyms()), end="")
        return 0

    async def export(self, words: Sequence[str], options: Mapping[str, str]) -> int:
        """``export DIRECTORY``"""
        from services.stats.commands import run as commands

        async with self.store() as store:
            print(await commands.export_tables(store, Path(words[0]), options), end="")
        return 0

    async def import_activity(self, words: Sequence[str], _options: Mapping[str, str]) -> int:
        """``import-activity FILE``"""
        from services.stats.commands import run as commands

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
        from services.stats.commands import run as commands

        async with self.store() as store:
            print(await commands.demo_data(store, options), end="")
        return 0

    # -- running

    async def main(self) -> int:
        """Record and serve until told to stop."""
        from services.stats.main import run_service

        return await run_service(self)
