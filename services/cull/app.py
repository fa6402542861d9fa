"""The culler's settings and commands.

The flags and the ``c.IdleCuller`` section are a superset of jupyterhub-idle-culler's. Whatever
only the service needs (pages, database, sign-in, metrics) is imported where it is used, so that
a single pass starts quickly and uses little memory.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from traitlets import Bool, Callable, Int, List, Unicode, default

from common.config.application import ServiceApp
from common.config.command import Command
from common.config.seconds import Seconds
from common.db.address import parse_address
from common.db.checks import database_problems
from common.errors import ConfigError, StoreError
from services.cull.scopes import optional_scopes, required_scopes

if TYPE_CHECKING:
    from services.cull.assembly import Plan
    from services.cull.main import Settings
    from services.cull.policy.model import Flags
    from services.cull.policy_source import PolicyFile
    from services.cull.settings import CullSettings
    from services.cull.web.site import SiteSettings

SETTLE_SECONDS = 360
PERIOD_SECONDS = 300
"""The time between passes if no server is stopped for being idle."""
DEFAULT_DB_URL = "sqlite:///cull.sqlite"


class IdleCuller(ServiceApp):
    """Named like jupyterhub-idle-culler's application, so that its configuration files work."""

    name = "cull"
    title = "Idle culler"
    description = "Stops idle single-user servers of a JupyterHub."
    examples = """
    python -m services.cull --timeout=3600 --dry-run            # who would be stopped, and why
    python -m services.cull --timeout=3600 --once               # one pass, for example from cron
    python -m services.cull --timeout=3600 --policy=cull.toml   # rules for groups, hours, profiles
    python -m services.cull check-policy cull.toml
    python -m services.cull explain ana/gpu --policy=cull.toml
    """
    main_options = (
        "timeout",
        "cull-every",
        "max-age",
        "policy",
        "dry-run",
        "once",
        "cull-users",
        "url",
        "config",
        "log-format",
    )
    commands: ClassVar[Mapping[str, Command]] = {
        "check-policy": Command(
            help="Check a policy file and show its rules in words.",
            run="check_policy",
            words=("FILE",),
        ),
        "explain": Command(
            help="Show which rule applies to a user's servers and when they would stop.",
            run="explain",
            words=("USER[/SERVER]",),
            needs_hub=True,
        ),
    }

    # -- the options of jupyterhub-idle-culler
    timeout = Seconds(
        600,
        never=None,
        zero="0 would stop every server at once; write never to stop none for idleness, or a time"
        ' such as "10m".',
        min=1,
        help='Idle timeout: seconds, or a duration such as "45m" or "2h"; never stops no server'
        " because it is idle.",
    ).tag(config=True)
    cull_every = Seconds(
        zero="0 would make passes without a pause; leave it out for half the timeout, or write a"
        ' time such as "5m".',
        min=1,
        help="Time between passes over all servers. Default: half the timeout, or 5 minutes if that"
        " is never.",
    ).tag(config=True)
    max_age = Seconds(
        0,
        never=0,
        min=0,
        help='Stop servers that have run for this time, even if they are active, such as "2d";'
        " never, or 0, for no limit.",
    ).tag(config=True)
    concurrency = Int(
        10, min=0, help="Maximum number of servers to stop at the same time; at least 1."
    ).tag(config=True)
    api_page_size = Int(
        0,
        min=0,
        help="Number of users to request from the Hub per page; 0 means 200, which causes the"
        " least load.",
    ).tag(config=True)
    cull_users = Bool(
        False, help="Also delete idle users. Intended for hubs with temporary users."
    ).tag(config=True)
    cull_admin_users = Bool(
        False,
        help="With --cull-users, also delete idle administrators. (In jupyterhub-idle-culler"
        " this is the default.)",
    ).tag(config=True)
    cull_group_members = Bool(
        False,
        help="With --cull-users, also delete idle members of groups. They lose their groups, such"
        " as the graders of a course.",
    ).tag(config=True)
    cull_unused_users = Bool(
        False, help="With --cull-users, also delete users who have never signed in."
    ).tag(config=True)
    cull_default_servers = Bool(True, help="Stop idle default servers.").tag(config=True)
    cull_named_servers = Bool(True, help="Stop idle named servers.").tag(config=True)
    remove_named_servers = Bool(
        False, help="Also remove named servers from the Hub when they are stopped."
    ).tag(config=True)
    cull_arbiter_hook = Callable(
        None,
        allow_none=True,
        help="A function that replaces the comparison with the idle timeout. It is called with"
        " the keyword arguments inactive (timedelta), inactive_limit (seconds) and server (the"
        " Hub's server model, a dict), and returns True to stop the server. It may be async.",
    ).tag(config=True)

    # -- further options
    policy = Unicode(
        help="Policy file (TOML) with rules for groups, profiles, hours and more. It is reloaded"
        " when it changes. Check it with the check-policy command."
    ).tag(config=True)
    settle = Seconds(
        min=0,
        help="Time to wait after a start or an outage of the Hub before treating any server"
        f" as idle; 0 for no wait. Default: {SETTLE_SECONDS}, or 0 with --once.",
    ).tag(config=True)
    dry_run = Bool(
        False,
        help="Show what would be stopped, when and why, then exit without stopping anything."
        " (As a Hub-managed service, keep running and show it after each pass; otherwise the Hub"
        " would restart the service.)",
    ).tag(config=True)
    once = Bool(
        False,
        help="Make one pass and exit, with status 1 if any part of it failed or did not finish.",
    ).tag(config=True)
    max_stops_per_minute = Int(
        0, min=0, help="Maximum number of servers to stop in any minute; 0 for no limit."
    ).tag(config=True)
    extend_by = Seconds(
        3600,
        never=0,
        min=0,
        help='The time that "Keep running" adds, such as "1h"; never, or 0, disables the button.',
    ).tag(config=True)
    extensions_per_day = Int(
        3, min=0, help="How many times a day a user may extend the same server."
    ).tag(config=True)
    db_url = Unicode(
        DEFAULT_DB_URL,
        help="Database for extensions, holds and the audit log: sqlite:///FILE or"
        " postgresql://USER:PASSWORD@HOST/NAME.",
    ).tag(config=True)
    admin_groups = List(
        Unicode(),
        help="Group whose members can see and hold all servers; may be repeated. Default: the"
        " Hub's administrators and all users with the scope custom:jupyterhub-cull:admin.",
    ).tag(config=True)

    aliases: dict[str, str] = ServiceApp.aliases | {
        name.replace("_", "-"): f"IdleCuller.{name}"
        for name in (
            "timeout",
            "cull_every",
            "max_age",
            "concurrency",
            "api_page_size",
            "cull_users",
            "cull_admin_users",
            "cull_group_members",
            "cull_unused_users",
            "cull_default_servers",
            "cull_named_servers",
            "remove_named_servers",
            "policy",
            "settle",
            "dry_run",
            "once",
            "max_stops_per_minute",
            "extend_by",
            "extensions_per_day",
            "db_url",
            "admin_groups",
        )
    }

    @default("config_file")
    def _default_config_file(self) -> str:
        return "idle_culler_config.py"

    @default("cull_every")
    def _default_cull_every(self) -> int:
        return max(1, self.timeout // 2) if self.timeout else PERIOD_SECONDS

    @default("settle")
    def _default_settle(self) -> int:
        return 0 if self.single_pass else SETTLE_SECONDS

    # -- derived settings

    @property
    def single_pass(self) -> bool:
        """Whether to make one pass and exit."""
        managed = bool(os.environ.get("JUPYTERHUB_SERVICE_NAME"))
        return bool(self.once or (self.dry_run and not managed))

    @property
    def period(self) -> float:
        """Seconds between the starts of two passes."""
        return float(self.cull_every)

    @property
    def uses_database(self) -> bool:
        """Whether to read extensions and holds.

        Pages need the database. A single pass uses an existing one but never creates it.
        """
        file = parse_address(self.db_url).file
        if file is None or file.exists():
            return True
        return not self.single_pass and (self.serves or self.db_url != DEFAULT_DB_URL)

    @property
    def policy_flags(self) -> "Flags":
        """The part of the policy that comes from the command line."""
        from services.cull.policy.model import Flags

        return Flags(
            timeout=self.timeout,
            max_age=self.max_age,
            cull_users=self.cull_users,
            cull_admin_users=self.cull_admin_users,
            cull_group_members=self.cull_group_members,
            cull_unused_users=self.cull_unused_users,
            cull_default_servers=self.cull_default_servers,
            cull_named_servers=self.cull_named_servers,
            remove_named_servers=self.remove_named_servers,
            extend_by=self.extend_by,
            extensions_per_day=self.extensions_per_day,
        )

    @property
    def cull_settings(self) -> "CullSettings":
        """How to make passes."""
        from services.cull.settings import CullSettings

        return CullSettings(
            concurrency=self.concurrency,
            cull_users=self.cull_users,
            period=None if self.single_pass else self.period,
            max_stops_per_minute=self.max_stops_per_minute,
            keep_servers=self.dry_run or (self.serves and not self.single_pass),
            first_backoff=self.period / 2,
        )

    @property
    def required_scopes(self) -> dict[str, str]:
        """The scopes that the configured work needs, each with the reason."""
        groups = self.uses_database or bool(
            self.policy and self.policy_file().policy.matches_groups
        )
        return required_scopes(cull_users=self.cull_users) | optional_scopes(
            groups=groups, settle=False
        )

    @property
    def optional_scopes(self) -> dict[str, str]:
        """The scopes that add to the service; the role should grant them, too."""
        return optional_scopes(groups=bool(self.policy) or self.serves, settle=self.settle > 0)

    def policy_file(self, kept: str | None = None) -> "PolicyFile":
        """The rules, reloaded when their file changes. Raises ConfigError.

        ``kept`` is an earlier text, which applies while the file is invalid.
        """
        from services.cull.policy_source import PolicyFile

        try:
            return PolicyFile(Path(self.policy), self.policy_flags, kept)
        except ConfigError as error:
            raise ConfigError([f"--policy: {problem}" for problem in error.problems]) from None

    def file_problems(self) -> list[str]:
        """What is wrong with the policy file."""
        try:
            if self.policy:
                self.policy_file()
        except ConfigError as error:
            return list(error.problems)
        return []

    @property
    def keeps_files(self) -> bool:
        """Whether the last valid policy is in the database. One pass needs a valid file."""
        return not self.single_pass and self.uses_database

    def own_problems(self) -> list[str]:
        """What is wrong with the culler's settings and the database URL."""
        found = []
        if not self.concurrency:
            found.append(
                "--concurrency: 0 would stop all idle servers at the same time; write how many,"
                " such as 10."
            )
        try:
            # A single pass without a database needs neither its directory nor its driver.
            found += database_problems(self.db_url) if self.uses_database else []
        except ConfigError as error:
            found += error.problems
        return found

    def settings(self, kept: str | None = None) -> "Settings":
        """All settings as a frozen value, for main.py. Raises ConfigError.

        ``kept``: see :meth:`policy_file`.
        """
        from services.cull.main import Settings

        policy_file = self.policy_file(kept) if self.policy else None
        return Settings(
            plan=self._plan(policy_file),
            period=self.period,
            required_scopes=self.required_scopes,
            optional_scopes=self.optional_scopes,
            service_name=self.service_name,
            version=self.version,
            policy_file=policy_file,
            site=self._site_settings() if self.serves and not self.single_pass else None,
        )

    def _plan(self, policy_file: "PolicyFile | None") -> "Plan":
        from services.cull.assembly import Plan
        from services.cull.commands.dry_run import print_dry_run
        from services.cull.policy.model import Policy

        fixed = Policy.from_flags(self.policy_flags)
        return Plan(
            api_url=self.url,
            token=self.token,
            tls=self.hub_tls,
            timeout_seconds=float(self.request_timeout),
            page_size=self.api_page_size,
            settle_seconds=float(self.settle),
            policy=(lambda: policy_file.policy) if policy_file is not None else (lambda: fixed),
            settings=self.cull_settings,
            arbiter=self.cull_arbiter_hook,
            db_url=self.db_url if self.uses_database else None,
            dry_run=print_dry_run if self.dry_run else None,
            policy_problems=(lambda: policy_file.problems) if policy_file is not None else tuple,
        )

    def _site_settings(self) -> "SiteSettings":
        from common.web.server import Bind
        from services.cull.web.site import SiteSettings

        tls = self.server_tls
        return SiteSettings(
            bind=Bind(self.ip, self.port or 0, tls.server_context() if tls else None),
            prefix=self.prefix,
            hub_url=self.public_hub_url,
            oauth=self.oauth_settings(),
            authenticate_prometheus=self.authenticate_prometheus,
            admin_groups=frozenset(self.admin_groups),
        )

    # -- commands

    def check_policy(self, words: Sequence[str], _options: Mapping[str, str]) -> int:
        """``check-policy FILE``"""
        from services.cull.commands.check_policy import check_policy

        for line in check_policy(Path(words[0]), self.policy_flags, datetime.now(UTC)):
            print(line)
        return 0

    async def explain(self, words: Sequence[str], _options: Mapping[str, str]) -> int:
        """``explain USER[/SERVER]``"""
        from services.cull.commands.explain import explain

        user, slash, server = words[0].partition("/")
        for line in await explain(self.settings().plan, user, server if slash else None):
            print(line)
        return 0

    async def main(self) -> int:
        """Make one pass, or run the service until ``stopping`` is set."""
        from services.cull.main import run_once, run_service

        if self.single_pass:
            return await run_once(self.settings(), self.stopping)
        return await run_service(self.settings(await self._kept_policy()), self.stopping)

    async def _kept_policy(self) -> str | None:
        """The last valid policy, read from the database only if the file is invalid."""
        problems = self.file_problems()
        if not problems or not self.keeps_files:
            return None
        from services.cull.store.kept import kept_policy

        try:
            return await kept_policy(self.db_url, Path(self.policy))
        except StoreError as error:
            reason = f"The last valid policy cannot be read: {error}"
            raise ConfigError([*problems, reason]) from None
        except ConfigError as error:
            raise ConfigError([*problems, *error.problems]) from None
