"""The culler's settings and commands.

A superset of jupyterhub-idle-culler's: the same flags, the same ``c.IdleCuller`` section.
What only the service needs (pages, database, sign-in, metrics) is imported there: a single
pass starts fast and stays small.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from traitlets import Bool, Callable, Int, List, Unicode, default

from common.config.application import ServiceApp
from common.config.command import Command
from common.db.address import parse_address
from common.db.checks import database_problems
from common.errors import ConfigError
from services.cull.scopes import optional_scopes, required_scopes

if TYPE_CHECKING:
    from services.cull.passes.settings import CullSettings
    from services.cull.policy.model import Flags
    from services.cull.policy_source import PolicyFile

SETTLE_SECONDS = 360
DEFAULT_DB_URL = "sqlite:///cull.sqlite"


class IdleCuller(ServiceApp):
    """Named as jupyterhub-idle-culler's application, so that its config files work."""

    name = "cull"
    description = "Stops idle single-user servers, and never the wrong one."
    examples = """
    python -m services.cull --timeout=3600 --dry-run
    python -m services.cull --timeout=3600 --policy=cull.toml
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
            help="Tell what is wrong with a policy file, or what it means.",
            run="check_policy",
            words=("FILE",),
        ),
        "explain": Command(
            help="Tell which rule holds for a user's server, and when it would stop.",
            run="explain",
            words=("USER[/SERVER]",),
            needs_hub=True,
        ),
    }

    # -- jupyterhub-idle-culler's
    timeout = Int(600, min=0, help="The idle timeout in seconds.").tag(config=True)
    cull_every = Int(
        min=0, help="Seconds between looking for idle servers. Default: half the timeout."
    ).tag(config=True)
    max_age = Int(
        0,
        min=0,
        help="Stop servers of this age in seconds even if they are active; 0 for never.",
    ).tag(config=True)
    concurrency = Int(
        10, min=0, help="How many servers are stopped at the same time; 0 for no limit."
    ).tag(config=True)
    api_page_size = Int(
        0, min=0, help="Users a page when asking the Hub; 0 is 200, which costs it least."
    ).tag(config=True)
    cull_users = Bool(False, help="Delete idle users, too. Meant for temporary users.").tag(
        config=True
    )
    cull_admin_users = Bool(
        False,
        help="With --cull-users, delete idle admins, too. (jupyterhub-idle-culler does unless"
        " told not to.)",
    ).tag(config=True)
    cull_default_servers = Bool(True, help="Stop idle default servers.").tag(config=True)
    cull_named_servers = Bool(True, help="Stop idle named servers.").tag(config=True)
    remove_named_servers = Bool(
        False, help="Remove named servers from the Hub when they are stopped."
    ).tag(config=True)
    cull_arbiter_hook = Callable(
        None,
        allow_none=True,
        help="Replaces the comparison with the idle timeout. Called with inactive (timedelta),"
        " inactive_limit (seconds) and server (the Hub's model, a dict); True stops the server."
        " May be async.",
    ).tag(config=True)

    # -- ours
    policy = Unicode(
        help="A file of rules (TOML); it is read again when it changes. See check-policy."
    ).tag(config=True)
    settle = Int(
        min=0,
        help="Seconds after a start or an outage of the Hub for which no idleness is believed;"
        f" 0 for none. Default: {SETTLE_SECONDS}, with --once 0.",
    ).tag(config=True)
    dry_run = Bool(
        False,
        help="Show what would go, when and why; stop nothing; exit. (A service that the Hub"
        " starts goes on and shows it after each pass: the Hub would start it anew.)",
    ).tag(config=True)
    once = Bool(
        False, help="Make one pass and exit: 0, or 1 when a part of it failed or was left undone."
    ).tag(config=True)
    max_stops_per_minute = Int(
        0, min=0, help="Stop no more servers than this in any minute; 0 for no limit."
    ).tag(config=True)
    extend_by = Int(3600, min=0, help="Seconds that one 'Keep running' adds; 0 to offer none.").tag(
        config=True
    )
    extensions_per_day = Int(3, min=0, help="How often a day a user may keep a server.").tag(
        config=True
    )
    db_url = Unicode(
        DEFAULT_DB_URL,
        help="The database for extensions, holds and the audit log: sqlite:///FILE or"
        " postgresql://USER:PASSWORD@HOST/NAME.",
    ).tag(config=True)
    admin_groups = List(
        Unicode(),
        help="Groups whose members see and hold all servers; may be given several times."
        " Default: the Hub's admins, and who has the scope custom:jupyterhub-cull:admin.",
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
        return self.timeout // 2

    @default("settle")
    def _default_settle(self) -> int:
        return 0 if self.single else SETTLE_SECONDS

    @property
    def single(self) -> bool:
        """Whether this is for one pass only."""
        managed = bool(os.environ.get("JUPYTERHUB_SERVICE_NAME"))
        return bool(self.once or (self.dry_run and not managed))

    # -- what the settings come to

    @property
    def policy_flags(self) -> "Flags":
        """The command line's part of the policy."""
        from services.cull.policy.model import Flags

        return Flags(
            timeout=self.timeout,
            max_age=self.max_age,
            cull_users=self.cull_users,
            cull_admin_users=self.cull_admin_users,
            cull_default_servers=self.cull_default_servers,
            cull_named_servers=self.cull_named_servers,
            remove_named_servers=self.remove_named_servers,
            extend_by=self.extend_by,
            extensions_per_day=self.extensions_per_day,
        )

    @property
    def cull_settings(self) -> "CullSettings":
        """How passes are made."""
        from services.cull.passes.settings import CullSettings

        return CullSettings(
            concurrency=self.concurrency,
            cull_users=self.cull_users,
            period=None if self.single else self.period,
            max_stops_per_minute=self.max_stops_per_minute,
            keep_servers=self.dry_run or (self.serves and not self.single),
            first_backoff=self.period / 2,
        )

    @property
    def period(self) -> float:
        """Seconds between passes; a timeout of 1 s must not make it 0."""
        return max(1.0, float(self.cull_every))

    @property
    def keeps_store(self) -> bool:
        """Whether there is a database to ask: pages need one, a single pass only looks."""
        file = parse_address(self.db_url).file
        if file is None or file.exists():
            return True
        return not self.single and (self.serves or self.db_url != DEFAULT_DB_URL)

    def problems(self) -> list[str]:
        """As of every service, and those of the policy file and the database's URL."""
        found = super().problems()
        try:
            # A single pass without a database needs neither its directory nor its driver.
            found += database_problems(self.db_url) if self.keeps_store else []
        except ConfigError as error:
            found += error.problems
        if self.policy:
            try:
                self.policy_file()
            except ConfigError as error:
                found += [f"--policy: {problem}" for problem in error.problems]
        return found

    def policy_file(self) -> "PolicyFile":
        """The rules, read again when they change. Raises ConfigError."""
        from services.cull.policy_source import PolicyFile

        return PolicyFile(Path(self.policy), self.policy_flags)

    @property
    def required_scopes(self) -> dict[str, str]:
        """The scopes that the configured work needs, each with the reason."""
        groups = self.keeps_store or bool(self.policy and self.policy_file().policy.needs_groups)
        return required_scopes(cull_users=self.cull_users) | optional_scopes(
            groups=groups, settle=False
        )

    @property
    def optional_scopes(self) -> dict[str, str]:
        """The scopes that add to the service; the role should grant them, too."""
        return optional_scopes(groups=bool(self.policy) or self.serves, settle=self.settle > 0)

    # -- commands

    def check_policy(self, words: Sequence[str], _options: Mapping[str, str]) -> int:
        """``check-policy FILE``"""
        from services.cull.policy.describe import describe_policy
        from services.cull.policy.lint import lint_policy
        from services.cull.policy_source import PolicyFile

        policy = PolicyFile(Path(words[0]), self.policy_flags).policy  # its ConfigError is told
        print(f"{words[0]} is good. The first rule that matches a server holds for it:")
        for line in describe_policy(policy):
            print(line)
        for line in lint_policy(policy, datetime.now(UTC)):
            print(f"Note: {line}.")
        return 0

    async def explain(self, words: Sequence[str], _options: Mapping[str, str]) -> int:
        """``explain USER[/SERVER]``"""
        from services.cull.assembly import assemble
        from services.cull.commands.explain import explain
        from services.cull.main import plan

        name, slash, server = words[0].partition("/")
        async with assemble(plan(self)) as parts:
            if parts.store is not None:
                await parts.store.open()
            lines = await explain(
                parts.hub,
                parts.evaluator,
                name,
                server if slash else None,
                settle_seconds=float(self.settle),
            )
        for line in lines:
            print(line)
        return 0

    # -- running

    async def main(self) -> int:
        """One pass, or passes until told to stop."""
        from services.cull.main import run_once, run_service

        return await (run_once(self) if self.single else run_service(self))
