"""``python -m services.cull`` as a process: its output, its exit code and its settings."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import FrozenInstanceError, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from common.program.launch import run
from services.cull.app import IdleCuller
from services.cull.policy.model import Policy
from tests.cull.culler import HOUR
from tests.fakes.hub import FakeHub
from tests.paths import ROOT

NOTHING_BIG = """
import atexit, sys
from common.program.launch import launch
from services.cull.app import IdleCuller
from services.cull.policy.model import Policy
big = ("sqlalchemy", "jinja2", "jupyterhub", "aiohttp.web", "prometheus_client", "tornado")
atexit.register(lambda: print("IMPORTED:", [name for name in big if name in sys.modules]))
launch(IdleCuller)
"""


@dataclass
class Run:
    """How a run ended, and its output."""

    code: int
    out: str
    err: str


class Program:
    """Runs the culler in its own directory, against the fake Hub."""

    def __init__(self, hub: FakeHub, directory: Path) -> None:
        self.directory = directory
        self.env = {
            **{key: value for key, value in os.environ.items() if "JUPYTERHUB" not in key},
            "JUPYTERHUB_API_URL": hub.api_url,
            "JUPYTERHUB_API_TOKEN": hub.token,
            "PYTHONPATH": str(ROOT),
        }

    async def start(
        self, *arguments: str, code: str = "", env: dict[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        run = ["-c", code] if code else ["-m", "services.cull"]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            *run,
            *arguments,
            cwd=self.directory,
            env=self.env | (env or {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str, code: str = "", env: dict[str, str] | None = None) -> Run:
        process = await self.start(*arguments, code=code, env=env)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        run = Run(process.returncode or 0, out.decode(), err.decode())
        assert FakeHub.token not in run.out + run.err
        assert "Traceback" not in run.err
        return run

    @asynccontextmanager
    async def running(
        self, *arguments: str, env: dict[str, str] | None = None
    ) -> AsyncIterator["Running"]:
        """A running service. It is ended with SIGTERM unless the test has done so."""
        running = Running(await self.start(*arguments, env=env))
        try:
            yield running
        finally:
            if running.process.returncode is None:
                await running.end()


class Running:
    """A running service and its log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode())

    async def until(self, true: Callable[[], bool], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                assert self.process.returncode is None, "".join(self.lines)
                await asyncio.sleep(0.02)

    async def said(self, text: str) -> str:
        await self.until(lambda: any(text in line for line in self.lines))
        return next(line for line in self.lines if text in line)

    async def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            code = await self.process.wait()
        await self._reading
        assert not any(FakeHub.token in line for line in self.lines)
        assert not any("Traceback" in line for line in self.lines), "".join(self.lines)
        return code


@pytest.fixture
async def hub(fake_hub: FakeHub) -> FakeHub:
    """A Hub in the present time, with an idle and a busy server."""
    fake_hub.now = lambda: datetime.now(UTC)
    fake_hub.add_server("idle", idle=2 * HOUR, age=9 * HOUR)
    fake_hub.add_server("busy", idle=30, age=9 * HOUR)
    return fake_hub


@pytest.fixture
def program(hub: FakeHub, tmp_path: Path) -> Program:
    """The culler in an empty directory."""
    return Program(hub, tmp_path)


async def test_one_pass_stops_idle_servers_and_exits_with_0(hub: FakeHub, program: Program) -> None:
    """--once makes one pass, logs what it did, and leaves no file behind."""
    run = await program.run("--once", "--timeout=3600")
    assert (run.code, hub.stopped) == (0, [("idle", "")])
    assert "1 stopped" in run.err
    assert list(program.directory.iterdir()) == []


async def test_one_pass_imports_no_large_library(program: Program) -> None:
    """It starts quickly and uses little memory: no database, web or metrics."""
    run = await program.run("--once", "--timeout=3600", code=NOTHING_BIG)
    assert run.code == 0
    assert "IMPORTED: []" in run.out


async def test_a_pass_that_fails_in_part_exits_with_1(hub: FakeHub, program: Program) -> None:
    """A cron job notices the failure, and the log names the server."""
    hub.fail("status", method="DELETE", status=500)
    run = await program.run("--once", "--timeout=3600")
    assert run.code == 1
    assert "idle" in run.err


async def test_one_pass_that_a_signal_interrupts_exits_with_1(
    hub: FakeHub, program: Program
) -> None:
    """The log says what was not done."""
    for number in range(60):
        hub.add_server(f"idle{number}", idle=2 * HOUR, age=9 * HOUR)
    hub.stop_seconds = 0.5
    async with program.running("--once", "--timeout=3600", "--concurrency=1") as run:
        await run.until(lambda: len(hub.requests("DELETE")) >= 1)
        assert await run.end() == 1
        assert "due servers or users were skipped" in "".join(run.lines)
    assert 1 <= len(hub.stopped) < 61


async def test_one_pass_that_is_cancelled_exits_with_1(
    hub: FakeHub, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop that hangs may or may not have happened."""
    for name, value in program.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(program.directory)
    hub.fail("hang", method="DELETE")
    app = IdleCuller()
    app.once, app.timeout, app.stopping = True, 3600, asyncio.Event()
    main = asyncio.create_task(app.main())
    async with asyncio.timeout(60):
        while not hub.requests("DELETE"):
            await asyncio.sleep(0.01)
        app.stopping.set()
        main.cancel()
        assert await main == 1


async def test_missing_scopes_are_reported_with_the_role(hub: FakeHub, program: Program) -> None:
    """The role can be copied into jupyterhub_config.py."""
    hub.scopes = ["read:users:name"]
    run = await program.run("--once", "--timeout=3600")
    assert run.code == 1
    for word in ("list:users", "delete:servers", "load_roles"):
        assert word in run.err


async def test_one_pass_without_a_hub_exits_with_1(hub: FakeHub, program: Program) -> None:
    """The log gives the reason without a traceback."""
    await hub.stop()
    run = await program.run("--once")
    assert run.code == 1
    assert "cannot connect" in run.err


async def test_a_dry_run_shows_a_table_and_stops_nothing(hub: FakeHub, program: Program) -> None:
    """Each line says when, who, by which rule and why."""
    run = await program.run("--dry-run", "--timeout=3600")
    assert run.code == 0
    assert hub.stopped == []
    head, idle, busy, last = run.out.strip().splitlines()
    assert head.split()[:4] == ["WHEN", "ACTION", "USER", "SERVER"]
    assert idle.startswith("now")
    assert "idle" in idle
    assert "default" in idle
    assert "busy" in busy
    assert "in 59 min" in busy
    assert "1 due now, 1 due later" in last


async def test_a_dry_run_distinguishes_removals_from_stops(hub: FakeHub, program: Program) -> None:
    """Also for servers that are due later."""
    hub.add_server("busy", "lab", idle=60)
    run = await program.run("--dry-run", "--timeout=3600", "--remove-named-servers")
    lab = next(line for line in run.out.splitlines() if " lab " in line)
    default = next(line for line in run.out.splitlines() if "busy" in line and " lab " not in line)
    assert " remove " in lab
    assert " stop " in default


async def test_a_managed_dry_run_keeps_running(hub: FakeHub, program: Program) -> None:
    """The Hub restarts services that exit, so the table is shown after each pass."""
    flags = ("--dry-run", "--timeout=3600", "--cull-every=1", "--settle=0")
    async with program.running(*flags, env={"JUPYTERHUB_SERVICE_NAME": "cull"}) as service:
        await service.until(lambda: sum("pass:" in line for line in service.lines) >= 2)
        assert await service.end() == 0
    assert hub.stopped == []


@pytest.mark.parametrize("style", ["equals", "space"])
async def test_every_flag_of_jupyterhub_idle_culler_is_accepted(
    hub: FakeHub, program: Program, style: str
) -> None:
    """Only the name of the module differs."""
    flags = {
        "api-page-size": "50",
        "concurrency": "5",
        "cull-admin-users": "False",
        "cull-default-servers": "True",
        "cull-every": "60",
        "cull-named-servers": "True",
        "cull-users": "True",
        "internal-certs-location": "internal-ssl",
        "max-age": "86400",
        "remove-named-servers": "True",
        "ssl-enabled": "False",
        "timeout": "3600",
        "url": hub.api_url,
    }
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    if style == "space":
        arguments = [part for name, value in flags.items() for part in (f"--{name}", value)]
    run = await program.run("--once", *arguments, env={"JUPYTERHUB_API_URL": "http://no.such:1/"})
    assert run.code == 0
    assert hub.stopped == [("idle", "")]
    assert any("limit=50" in seen.raw_path for seen in hub.seen)


def test_the_defaults_are_those_of_jupyterhub_idle_culler() -> None:
    """Except that administrators are not deleted, and that the page size is chosen for the Hub."""
    app = IdleCuller()
    assert (app.timeout, app.cull_every, app.max_age, app.concurrency) == (600, 300, 0, 10)
    assert app.api_page_size == 0
    assert app.cull_default_servers
    assert app.cull_named_servers
    assert not app.cull_users
    assert not app.remove_named_servers
    assert not app.ssl_enabled
    assert not app.cull_admin_users
    assert app.config_file == "idle_culler_config.py"
    assert app.internal_certs_location == "internal-ssl"
    assert app.request_timeout == 60


def test_the_period_follows_the_timeout() -> None:
    """The default is half the timeout, but at least a second."""
    app = IdleCuller()
    app.timeout = 3600
    assert app.cull_every == 1800
    app = IdleCuller()
    app.timeout = 1
    assert app.period == 1.0


def test_admin_groups_may_be_given_several_times() -> None:
    """Each flag adds one group; names may contain commas and quotes."""
    app = IdleCuller()
    app.configure([("admin-groups", "staff, all"), ("admin-groups", "it's")])
    assert app.mistakes == []
    assert app.admin_groups == ["staff, all", "it's"]


@pytest.mark.parametrize(("once", "dry", "settle"), [(False, False, 360), (True, False, 0)])
def test_only_a_service_waits_to_settle(once: bool, dry: bool, settle: int) -> None:
    """A single pass does not wait unless --settle is set."""
    app = IdleCuller()
    app.once, app.dry_run = once, dry
    assert app.settle == settle
    app.settle = 60
    assert app.settle == 60


async def test_a_configuration_file_of_idle_culler_works(hub: FakeHub, program: Program) -> None:
    """idle_culler_config.py in the working directory is read, including its arbiter hook."""
    hub.add_server("vip", idle=9 * HOUR, age=10 * HOUR, user_options={"profile": "unlimited"})
    (program.directory / "idle_culler_config.py").write_text(
        "def arbiter(inactive, inactive_limit, server):\n"
        "    if server['user_options'].get('profile') == 'unlimited':\n"
        "        return False\n"
        "    return inactive.total_seconds() >= inactive_limit\n"
        "c.IdleCuller.cull_arbiter_hook = arbiter\n"
        "c.IdleCuller.timeout = 3600\n"
    )
    run = await program.run("--once")
    assert (run.code, hub.stopped) == (0, [("idle", "")])


async def test_every_mistake_is_reported_at_once(program: Program) -> None:
    """The program exits with 1 and names every invalid setting."""
    (program.directory / "bad.toml").write_text("[[rule]]\nidle_timeout = 'soon'\nuser = 7\n")
    run = await program.run(
        "--timeout=soon", "--policy=bad.toml", "--db-url=mysql://x/y", "--cul-users", "--settle=-1"
    )
    assert run.code == 1
    for word in ("--timeout", "idle_timeout", "user", "--db-url", "cull-users", "--settle"):
        assert word in run.err


async def test_check_policy_needs_no_hub(program: Program) -> None:
    """A valid file is explained rule by rule; an invalid one exits with 1 and a hint."""
    path = program.directory / "cull.toml"
    path.write_text('[[rule]]\nname = "exam"\ngroup = "exam-*"\naction = "never"\n')
    no_hub = {"JUPYTERHUB_API_URL": "", "JUPYTERHUB_API_TOKEN": ""}
    run = await program.run("check-policy", "cull.toml", env=no_hub)
    assert run.code == 0
    assert "exam" in run.out
    assert "default" in run.out
    assert "read:users:groups" in run.out
    path.write_text('[[rule]]\nname = "exam"\ngrup = "exam-*"\n')
    run = await program.run("check-policy", "cull.toml", env=no_hub)
    assert run.code == 1
    assert 'did you mean "group"' in run.err


async def test_explain_shows_rule_and_time(program: Program) -> None:
    """For a server or a user; an unknown user exits with 1."""
    run = await program.run("explain", "busy", "--timeout=3600", "--settle=0")
    assert run.code == 0
    assert "in 59 min" in run.out
    run = await program.run("explain", "idle/", "--timeout=3600", "--settle=0")
    assert "stop now" in run.out
    run = await program.run("explain", "nobody")
    assert run.code == 1
    assert "nobody" in run.err


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("return False", 0, "keep, because cull_arbiter_hook decided to keep it"),
        ("return True", 0, "stop now, because it has reached its idle timeout"),
        (
            "return server['nothing']",
            1,
            "cull_arbiter_hook failed for idle/, so the server is kept running",
        ),
    ],
    ids=["keep", "stop", "fails"],
)
async def test_explain_calls_the_arbiter_hook(
    program: Program, body: str, code: int, words: str
) -> None:
    """The result is what a pass would do; a failing hook is reported without a traceback."""
    (program.directory / "idle_culler_config.py").write_text(
        f"def arbiter(inactive, inactive_limit, server):\n    {body}\n"
        "c.IdleCuller.cull_arbiter_hook = arbiter\n"
    )
    run = await program.run("explain", "idle", "--timeout=3600", "--settle=0")
    assert run.code == code
    assert words in run.out + run.err
    assert "Traceback" not in run.err


# -- the service


async def test_a_service_waits_for_the_hub_and_settles(hub: FakeHub, program: Program) -> None:
    """It can start before the Hub and stops nothing at first; SIGTERM ends it."""
    await hub.stop()
    async with program.running("--timeout=3600", "--cull-every=1") as service:
        await service.said("Waiting for the Hub")
        await hub.start()
        await service.said("Idle servers are not stopped until")
        await service.said("pass:")
        assert hub.stopped == []
        assert await service.end() == 0


async def test_a_service_makes_passes_until_sigterm(hub: FakeHub, program: Program) -> None:
    """Run like jupyterhub-idle-culler, it has no pages and no database."""
    async with program.running("--timeout=3600", "--cull-every=1", "--settle=0") as service:
        await service.until(lambda: hub.stopped == [("idle", "")])
        hub.add_server("later", idle=2 * HOUR)
        await service.until(lambda: ("later", "") in hub.stopped)
        assert await service.end() == 0
    assert list(program.directory.iterdir()) == []


async def test_sigterm_in_a_slow_pass_ends_it(hub: FakeHub, program: Program) -> None:
    """Neither a hanging nor a slow stop delays the end by more than 10 s."""
    hub.add_server("slow", idle=3 * HOUR, age=9 * HOUR, slow_stop=1000)
    hub.fail("hang", method="DELETE", path="/users/idle/")
    async with program.running("--timeout=3600", "--settle=0") as service:
        await service.until(lambda: len(hub.requests("DELETE")) == 2)
        assert await service.end() == 0


async def test_a_changed_policy_is_reloaded(hub: FakeHub, program: Program) -> None:
    """An invalid version is refused with its mistakes, and the last valid one stays in force."""
    path = program.directory / "cull.toml"
    path.write_text('[[rule]]\nname = "all"\naction = "never"\n')
    async with program.running("--policy=cull.toml", "--cull-every=1", "--settle=0") as service:
        await service.said("pass:")
        path.write_text('[[rule]]\nname = "all"\nidle_timout = "1h"\n')
        await service.said("The policy file is refused")
        await service.said("idle_timeout")
        assert hub.stopped == []
        path.write_text('[[rule]]\nname = "all"\nidle_timeout = "1h"\n')
        await service.until(lambda: hub.stopped == [("idle", "")])
        assert "rule: all" in await service.said("audit:")


async def test_pages_are_served_if_an_address_is_set(hub: FakeHub, program: Program) -> None:
    """The service is ready after a pass, has metrics, and creates cull.sqlite."""
    env = {"JUPYTERHUB_SERVICE_NAME": "cull", "JUPYTERHUB_SERVICE_PREFIX": "/services/cull/"}
    flags = ("--port=0", "--timeout=3600", "--settle=0", "--authenticate-prometheus=false")
    async with program.running(*flags, env=env) as service:
        url = (await service.said("Pages at ")).split("Pages at ")[1].strip()
        await service.said("pass:")
        async with aiohttp.ClientSession() as session:
            async with session.get(url + "health") as answer:
                assert answer.status == 200
            async with asyncio.timeout(10):
                while True:
                    async with session.get(url + "ready") as answer:
                        if answer.status == 200:
                            break
                    await asyncio.sleep(0.05)
            async with session.get(url + "metrics") as answer:
                text = await answer.text()
            async with session.get(url, allow_redirects=False) as answer:
                assert answer.status in {302, 401}
        assert 'jupyterhub_cull_stops_total{outcome="done",reason="idle"} 1.0' in text
        assert 'jupyterhub_cull_servers{state="ready"} 2.0' in text
        assert await service.end() == 0
    assert (program.directory / "cull.sqlite").exists()


async def test_a_single_pass_honours_holds(hub: FakeHub, program: Program) -> None:
    """--once next to a service reads the service's database and honours its holds."""
    from services.cull.store.store import CullStore

    url = f"sqlite:///{program.directory}/cull.sqlite"
    now = datetime.now(UTC)
    async with CullStore(url) as store:
        await store.hold("user", "idle", until=now + timedelta(hours=1), by="boss", now=now)
    run = await program.run("--once", "--timeout=3600")
    assert run.code == 0
    assert hub.stopped == []


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ("--timeout=0", "write never"),
        ("--cull-every=0", 'such as "5m"'),
        ("--concurrency=0", "such as 10"),
        ("--timeout=2hourz", '"45m"'),
    ],
)
def test_dangerous_numbers_are_refused(
    option: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing starts, and the message says what to write instead."""
    assert run(IdleCuller, [option, "--once"]) == 1
    refused = capsys.readouterr().err
    assert option.partition("=")[0] in refused
    assert advice in refused


def test_words_for_durations() -> None:
    """A timeout of never stops no server for idleness; a pass is then made every five minutes."""
    app = IdleCuller()
    app.configure([("timeout", "never"), ("max-age", "2d"), ("extend-by", "never")])
    flags = app.policy_flags
    assert (app.mistakes, flags.timeout, flags.max_age, flags.extend_by) == ([], None, 172800, 0)
    assert app.period == 300
    [rule] = Policy.from_flags(flags).rules
    assert (rule.idle_timeout, rule.user_timeout, rule.extend_by) == (None, None, None)


def test_help_teaches_by_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """The short help lists the commands, the main options and lines that can be copied."""
    assert run(IdleCuller, ["--help"]) == 0
    shown = capsys.readouterr().out
    for words in ("check-policy FILE", "--timeout=TIME", "python -m services.cull explain"):
        assert words in shown


def test_settings_are_frozen_for_one_pass() -> None:
    """A single pass has no pages, no period and no database unless one exists."""
    app = IdleCuller()
    app.once, app.timeout, app.port, app.db_url = True, 3600, 8000, "sqlite:///no/such/file"
    settings = app.settings()
    assert settings.site is None
    assert settings.plan.db_url is None
    assert settings.plan.settings.period is None
    assert settings.plan.policy().rules[-1].idle_timeout == 3600
    with pytest.raises(FrozenInstanceError):
        settings.period = 1.0  # type: ignore[misc]


def test_settings_of_a_service_include_the_pages(tmp_path: Path) -> None:
    """The site gets the address, the prefix and the admin groups; the policy file is shared."""
    path = tmp_path / "cull.toml"
    path.write_text('[[rule]]\nname = "x"\ngroup = "a"\naction = "never"\n')
    app = IdleCuller()
    app.url, app.api_token, app.port = "http://127.0.0.1:8081/hub/api", "secret", 8000
    app.policy, app.admin_groups = str(path), ["staff"]
    app.service_name = "cull"
    settings = app.settings()
    assert settings.site is not None
    assert settings.site.bind.port == 8000
    assert settings.site.admin_groups == frozenset({"staff"})
    assert settings.policy_file is not None
    assert settings.plan.policy() is settings.policy_file.policy
    assert "read:users:groups" in settings.required_scopes


async def test_the_last_valid_policy_survives_a_restart(hub: FakeHub, program: Program) -> None:
    """An invalid or missing file is reported, and the earlier rules apply until it is corrected."""
    path = program.directory / "cull.toml"
    path.write_text('[[rule]]\nname = "kept"\naction = "never" # secret\n')
    flags = ("--policy=cull.toml", "--db-url=sqlite:///c.sqlite", "--cull-every=1", "--settle=0")
    async with program.running(*flags) as service:
        await service.said("pass:")
    assert b"secret" not in b"".join(p.read_bytes() for p in program.directory.glob("c.sqlite*"))
    path.write_text('[[rule]]\nname = "kept"\nidle_timeout = "1 hourz"\n')
    async with program.running(*flags) as service:
        await service.said("The policy file is refused; the last valid policy stays in force:")
        await service.said("hourz")
        await service.said("pass:")
    path.unlink()
    async with program.running(*flags) as service:
        await service.said("cannot be read")
        await service.said("pass:")
        assert hub.stopped == []
        path.write_text('[[rule]]\nname = "new"\nidle_timeout = "1h"\n')
        await service.until(lambda: hub.stopped == [("idle", "")])


async def test_no_policy_is_better_than_a_wrong_one(hub: FakeHub, program: Program) -> None:
    """The text of another file, or one that these flags make invalid, is not used."""
    path = program.directory / "cull.toml"
    path.write_text('[[rule]]\nname = "kept"\naction = "never"\n')
    database = "--db-url=sqlite:///c.sqlite"
    async with program.running("--policy=cull.toml", database) as service:
        await service.said("pass:")
    path.rename(program.directory / "renamed.toml")
    for flags in (
        ("--policy=other.toml", database),
        ("--policy=cull.toml",),
        ("--policy=cull.toml", "--once", database),
        ("--policy=cull.toml", "--dry-run", database),
        ("--policy=cull.toml", "explain", "idle", database),
        ("--policy=cull.toml", "--settle=x", database),
    ):
        run = await program.run(*flags)
        assert (run.code, "--policy: the policy file" in run.err) == (1, True), flags
    assert hub.stopped == []
