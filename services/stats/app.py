"""The settings and commands of stats: traits, checks, and the frozen settings made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from traitlets import Bool, Enum, Int, List, Unicode

from common.config.application import ServiceApp
from common.config.command import Command
from common.config.environment import is_http_url
from common.config.seconds import Seconds
from common.errors import ConfigError
from services.stats.mail import options as email_options
from services.stats.mail.options import EmailOptions
from services.stats.prometheus import options as resource_options
from services.stats.prometheus.options import ResourceOptions
from services.stats.scopes import ADMIN_SCOPE
from services.stats.settings.exclusion import Exclusion

if TYPE_CHECKING:
    from services.stats.database import DatabaseSettings
    from services.stats.main import PagesSettings, Settings
    from services.stats.pseudonyms import Pseudonyms
    from services.stats.settings.terms import Terms

_SINCE = "First day (2026-03-01), or how far back to go (90d)."
_UNTIL = "Last day (2026-07-31). Default: today."


class StatsApp(ServiceApp, ResourceOptions, EmailOptions):
    """Records how a JupyterHub is used, and serves the statistics."""

    name = "stats"
    title = "Statistics"
    description = (
        "Records how a JupyterHub is used: active users, sessions, hours and servers.\n"
        "Serves a dashboard and an API; the commands write reports and files."
    )
    examples = """
    python -m services.stats --db-url=sqlite:////var/lib/jupyterhub/stats.sqlite
    python -m services.stats report --since=90d --by=week --group=nbgrader-course101
    """
    main_options = ("db-url", "interval", "timezone", "retention", "url", "config", "log-format")
    commands: ClassVar[Mapping[str, Command]] = {
        "report": Command(
            help="Print active users, sessions, hours and servers by day, week or another period.",
            run="report",
            options={
                "since": f"{_SINCE} Default: 30d.",
                "until": _UNTIL,
                "by": "The periods: day, week, month, year, term (see --terms), or all for one"
                " period. Default: day.",
                "group": "Count only members of this group.",
                "user": "Count only this user.",
                "inactive-since": "Instead, list users (of the group) not active since this day.",
                "dropped-off": "Instead, list users (of the group) not active for this long (14d):"
                " who dropped off, and who has not started.",
                "format": "table, csv, json, or html for a page to print. Default: table. With"
                " --dropped-off also emails: the addresses only (see --email-domain).",
                "output": "Write to this file, which must not exist yet. Default: standard output.",
            },
            switches={
                "wide": "All columns of the table, and long names in full. Default: what fits 100"
                " columns.",
            },
            examples="""
            # How was the hub used in the last 90 days, week by week?
            report --since=90d --by=week
            # The last 120 days of a course, for a spreadsheet
            report --group=nbgrader-course101 --since=120d --by=week --format=csv
            # Who of the course has not worked since the first of April?
            report --group=nbgrader-course101 --inactive-since=2026-04-01
            # Who of the course worked before, and has not in the last two weeks?
            report --group=nbgrader-course101 --dropped-off=14d
            # Everything that is known about each day of a user, for a program
            report --user=ada --since=2026-03-01 --format=json
            # A page for a meeting, to print or to send
            report --since=60d --format=html --output=meeting.html
            # How many different users did each term have?
            report --since=2025-10-01 --by=term
            """,
        ),
        "export": Command(
            help="Write the detailed records to files in a directory, one file per table.",
            run="export",
            words=("DIRECTORY",),
            options={
                "since": f"{_SINCE} Default: the first recorded day.",
                "until": _UNTIL,
                "format": "csv, json (one object per line) or parquet. Default: csv.",
                "what": "Tables, separated by commas: sessions, activity, user_days,"
                " memberships, polls. Default: all.",
            },
            examples="""
            export semester --since=2026-03-01 --until=2026-07-31
            export semester --format=parquet --what=sessions,activity
            """,
        ),
        "import-activity": Command(
            help="Import the database of log_jupyterhub_activity (activity.sqlite).",
            run="import_activity",
            words=("FILE",),
            examples="""
            import-activity /srv/log_jupyterhub_activity/activity.sqlite
            """,
        ),
        "forget-user": Command(
            help="Erase all data about a user. The service may keep running.",
            run="forget_user",
            words=("NAME",),
            examples="""
            forget-user ana
            """,
        ),
        "demo-data": Command(
            help="Fill an empty database with an invented semester, to try out the dashboard.",
            run="demo_data",
            options={
                "days": "Number of days before today. Default: 120.",
                "users": "Names of real users, separated by commas, who get a history as"
                " students, too.",
                "group": "The group of these users. Default: nbgrader-course101.",
                "staff": "Names of other real users, separated by commas, who get a history.",
            },
            examples="""
            demo-data --days=30 --db-url=sqlite:///demo.sqlite
            demo-data --users=ada,ben --group=nbgrader-course101 --staff=ines
            """,
        ),
    }

    db_url = Unicode(
        "sqlite:///stats.sqlite",
        help="The database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    ).tag(config=True)
    migrate = Bool(
        True,
        help="Create or migrate the database's tables at startup if necessary. If false, refuse"
        " to start instead.",
    ).tag(config=True)
    interval = Seconds(
        300,
        min=10,
        help="Time between polls of the Hub. The Hub updates activity every 300 s, so polling"
        " more often gains little.",
    ).tag(config=True)
    full_interval = Seconds(
        6 * 3600,
        min=60,
        help='Time, such as "6h", between polls that list all users, to find deleted users and'
        " changed groups.",
    ).tag(config=True)
    timezone = Unicode(
        help="The time zone in which days begin and end, for example Europe/Berlin. Default: the"
        " zone that the database was kept in; UTC for a new one.",
    ).tag(config=True)
    hub_name = Unicode(
        help="The name of the hub, for pages that are printed. Default: its host name.",
    ).tag(config=True)
    retention = Int(
        0,
        min=0,
        max=36500,  # a date that many days ago must exist
        help="Days to keep detailed records; 0 keeps them forever. Daily totals are always kept.",
    ).tag(config=True)
    people = Enum(
        ("names", "accounts"),
        "names",
        help="What counts as one user: a name, also if its account is deleted and created again, or"
        " an account. Choose accounts if the hub gives the names of former users to others, so that"
        " these do not see the earlier records.",
    ).tag(config=True)
    group_life = Int(
        60,
        min=0,
        max=36500,
        help="Days without members after which a group's name is free for another group, such as"
        " next year's course. The earlier records remain, as NAME (until DAY). 0: never.",
    ).tag(config=True)
    exclude = List(
        Unicode(),
        help="Users who are not counted, such as staff, bots and test accounts: a name, a glob such"
        " as test-*, group:NAME, or admins; may be given several times. The commands use the"
        " service's.",
    ).tag(config=True)
    terms = Unicode(
        help="File with the hub's terms, such as semesters, for reports and pages by term (TOML)."
        " The commands use the service's, unless they are given another file."
    ).tag(config=True)
    pseudonymise = Bool(
        False, help="Store keyed hashes in place of the names of users, servers and profiles."
    ).tag(config=True)
    pseudonym_key_file = Unicode(help="File with the secret key for --pseudonymise.").tag(
        config=True
    )
    admin_groups = List(
        Unicode(),
        help="Groups whose members see all statistics; may be given several times. Default: the"
        f" Hub's administrators. Users with the scope {ADMIN_SCOPE} always see all statistics.",
    ).tag(config=True)
    cull_url = Unicode(
        help="The URL of the idle culler's pages, such as http://127.0.0.1:9100/services/cull/. Its"
        " audit log then shows which servers it stopped. Default: it is not read."
    ).tag(config=True)
    metric_groups = Int(
        50, min=0, help="Number of groups with their own metrics, largest first; 0 for none."
    ).tag(config=True)
    user_metrics = Bool(
        False, help="Add a metric for each user with running servers. It contains the user's name."
    ).tag(config=True)

    aliases: dict[str, str] = ServiceApp.aliases | {
        name.replace("_", "-"): f"StatsApp.{name}"
        for name in (
            "db_url",
            "migrate",
            "interval",
            "full_interval",
            "timezone",
            "hub_name",
            "retention",
            "group_life",
            "people",
            "exclude",
            "terms",
            "pseudonymise",
            "pseudonym_key_file",
            "admin_groups",
            "cull_url",
            "metric_groups",
            "user_metrics",
            *resource_options.OPTIONS,
            *email_options.OPTIONS,
        )
    }
    flags: dict[str, Any] = ServiceApp.flags | {
        "no-migrate": (
            {"StatsApp": {"migrate": False}},
            "Refuse to start if the database's tables are missing or out of date.",
        ),
    }

    # -- checks

    def own_problems(self) -> list[str]:
        """What is wrong with the database URL, the time zone and the pseudonyms."""
        from common.db.checks import database_problems

        found = database_problems(self.db_url)
        try:
            self._zone()
        except (ZoneInfoNotFoundError, ValueError, OSError):
            found.append(
                f"--timezone: unknown time zone {self.timezone!r}; write, for example,"
                " Europe/Berlin."
            )
        if self.cull_url and not is_http_url(self.cull_url):
            found.append(
                f"--cull-url: {self.cull_url!r} is not a URL; write, for example,"
                " http://127.0.0.1:9100/services/cull/."
            )
        found += self.email_problems(pseudonymised=self.pseudonymise)
        Exclusion.parse(self.exclude, found)
        try:
            self._terms()
        except ConfigError as error:
            found += error.problems
        if self.pseudonymise and not self.pseudonym_key_file:
            found.append("--pseudonymise needs a key; write --pseudonym-key-file=FILE.")
        elif self.pseudonymise:
            try:
                self._pseudonyms()
            except ConfigError as error:
                found += error.problems
        return found + self.resource_problems(pseudonymised=self.pseudonymise)

    # -- frozen settings

    def _exclusion(self) -> Exclusion:
        return Exclusion.parse(self.exclude, [])

    def _terms(self) -> "Terms":
        if not self.terms:
            return ()
        from common.config.settings_file import SettingsFile
        from services.stats.settings.terms import load_terms

        try:
            return SettingsFile(Path(self.terms), "the file", load_terms).value
        except ConfigError as error:
            raise ConfigError([f"--terms: {self.terms}: {one}" for one in error.problems]) from None

    def _pseudonyms(self) -> "Pseudonyms | None":
        if not self.pseudonymise:
            return None
        from services.stats.pseudonyms import Pseudonyms

        return Pseudonyms.from_file(self.pseudonym_key_file)

    def _zone(self) -> ZoneInfo | None:
        return ZoneInfo(self.timezone) if self.timezone else None

    def _database(self) -> "DatabaseSettings":
        from services.stats.database import DatabaseSettings

        return DatabaseSettings(
            url=self.db_url,
            zone=self._zone(),
            migrate=self.migrate,
            pseudonyms=self._pseudonyms(),
            hub_name=self.hub_name,
            exclusion=self._exclusion(),
        )

    def settings(self) -> "Settings":
        """The settings of the service. Raises ConfigError if the key cannot be read."""
        from services.stats.main import HubSettings, Settings
        from services.stats.record.recorder import RecorderSettings

        return Settings(
            version=self.version,
            service_name=self.service_name,
            database=self._database(),
            hub=HubSettings(
                url=self.url,
                token=self.token,
                timeout_seconds=float(self.request_timeout),
                tls=self.hub_tls,
            ),
            recorder=RecorderSettings(
                interval=self.interval,
                full_interval=self.full_interval,
                retention=timedelta(days=self.retention) if self.retention else None,
                group_life=timedelta(days=self.group_life) if self.group_life else None,
                by_account=self.people == "accounts",
                exclusion=self._exclusion(),
                terms=self._terms(),
            ),
            pages=self._pages() if self.serves else None,
            resources=self.resource_settings(),
            metric_groups=self.metric_groups,
            user_metrics=self.user_metrics,
            cull_url=self.cull_url,
        )

    def _pages(self) -> "PagesSettings":
        from services.stats.main import PagesSettings

        return PagesSettings(
            ip=self.ip,
            port=self.port or 0,
            prefix=self.prefix,
            tls=self.server_tls,
            public_hub_url=self.public_hub_url,
            oauth=self.oauth_settings(),
            admin_groups=frozenset(self.admin_groups),
            authenticate_prometheus=self.authenticate_prometheus,
            email=self.email_template(),
        )

    # -- commands: each gets its arguments and its own options, and returns the exit code

    async def report(self, _words: Sequence[str], options: Mapping[str, str]) -> int:
        """``report``"""
        from common.output import output_problems, write_output
        from services.stats.commands.report import ReportOptions, report
        from services.stats.database import missing_database, open_store

        missing = missing_database(self.db_url)
        output = options.get("output", "")
        problems = [*missing, *output_problems(output)]
        parsed = ReportOptions.parse(options, problems, self._terms(), email=self.email_template())
        parsed = replace(parsed, hub_name=self.hub_name)
        if missing:
            raise ConfigError(problems)
        database = self._database()
        async with open_store(database) as store:
            write_output(await report(store, parsed, database.pseudonyms, problems), output)
        return 0

    async def export(self, words: Sequence[str], options: Mapping[str, str]) -> int:
        """``export DIRECTORY``"""
        from services.stats.commands.export import ExportOptions, export
        from services.stats.database import missing_database, open_store

        problems = missing_database(self.db_url)
        parsed = ExportOptions.parse(options, problems)
        if problems:
            raise ConfigError(problems)
        async with open_store(self._database()) as store:
            print(await export(store, Path(words[0]), parsed), end="")
        return 0

    async def import_activity(self, words: Sequence[str], _options: Mapping[str, str]) -> int:
        """``import-activity FILE``"""
        from services.stats.commands.import_activity import check_file, import_activity
        from services.stats.database import open_store

        path = Path(words[0])
        check_file(path)  # before a database is created for it
        database = self._database()
        async with open_store(database) as store:
            print(await import_activity(store, path, database.pseudonyms), end="")
        return 0

    async def forget_user(self, words: Sequence[str], _options: Mapping[str, str]) -> int:
        """``forget-user NAME``"""
        from services.stats.commands.forget_user import forget_user
        from services.stats.database import missing_database, open_store

        if problems := missing_database(self.db_url):
            raise ConfigError(problems)
        database = self._database()
        async with open_store(database) as store:
            found, text = await forget_user(store, words[0], database.pseudonyms)
        print(text, end="")
        return 0 if found else 1

    async def demo_data(self, _words: Sequence[str], options: Mapping[str, str]) -> int:
        """``demo-data``"""
        from services.stats.commands.demo_data import demo_data
        from services.stats.database import open_store

        async with open_store(self._database()) as store:
            print(await demo_data(store, options), end="")
        return 0

    # -- running

    async def main(self) -> int:
        """Record and serve until stopped."""
        from services.stats.main import run_service

        return await run_service(self.settings(), self.stopping)
