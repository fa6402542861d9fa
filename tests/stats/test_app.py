"""The command line of stats: settings, checks and help."""

from dataclasses import FrozenInstanceError
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from common.program import launch
from services.stats.app import StatsApp
from services.stats.scopes import REQUIRED_SCOPES


def test_every_mistake_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """All invalid settings are reported at once, each with what to write, and no traceback."""
    code = launch.run(
        StatsApp,
        [
            *("--db-url=mysql://u:hunter2@h/d", "--timezone=Mars", "--interval=1"),
            *("--pseudonymise", "--exclude=bot,test", "--exclude=groups:staff", "--terms=none"),
        ],
    )
    err = capsys.readouterr().err
    assert code == 1
    for word in ("postgresql://USER", "Europe/Berlin", "interval", "--pseudonym-key-file=FILE"):
        assert word in err
    for line in (
        "--exclude: 'bot,test' contains a comma; write --exclude once for each name.",
        "--exclude: 'groups:staff' has an unknown prefix; did you mean \"group:staff\"?",
        "--terms: none: the file none cannot be read: No such file or directory",
    ):
        assert line in err
    assert "Traceback" not in err
    assert "hunter2" not in err


@pytest.fixture
def app(no_hub_environment: None) -> StatsApp:
    """The application without a Hub's environment."""
    return StatsApp(url="http://hub.test/hub/api", api_token="secret-token-0123")


def test_settings_are_frozen_and_complete(app: StatsApp) -> None:
    """The service gets values, not the application; zero retention means forever."""
    app.interval, app.timezone = 60, "Europe/Berlin"
    settings = app.settings()
    assert settings.recorder.interval == 60
    assert settings.recorder.retention is None
    assert settings.database.zone == ZoneInfo("Europe/Berlin")
    assert settings.pages is None
    assert "secret-token-0123" not in repr(settings)
    with pytest.raises(FrozenInstanceError):
        settings.metric_groups = 1  # type: ignore[misc]  # that is what is tested


def test_exclusion_and_terms_are_settings_of_the_service(app: StatsApp, tmp_path: Path) -> None:
    """The recorder gets the patterns and the terms; every mistake in the file names it."""
    file = tmp_path / "terms.toml"
    file.write_text('[[term]]\nname = "A"\nfrom = 2026-01-01\nuntil = 2026-06-30\n')
    app.exclude, app.terms = ["bot-*", "admins"], str(file)
    settings = app.settings()
    assert settings.recorder.exclusion.patterns == ("bot-*", "admins")
    assert settings.database.exclusion == settings.recorder.exclusion
    assert [term.name for term in settings.recorder.terms] == ["A"]
    file.write_text("[[term]]\n[[tern]]\n")
    problems = [problem for problem in app.problems() if problem.startswith("--terms")]
    assert len(problems) == 4
    assert all(str(file) in problem for problem in problems)


def test_an_address_adds_pages(app: StatsApp) -> None:
    """With a port there are pages, under the service's prefix."""
    app.port, app.admin_groups, app.retention = 0, ["staff"], 30
    settings = app.settings()
    assert settings.pages is not None
    assert settings.pages.prefix == "/services/stats/"
    assert settings.pages.admin_groups == {"staff"}
    assert settings.recorder.retention == timedelta(days=30)


def test_every_scope_has_a_reason() -> None:
    """The scopes that are logged as missing each come with the reason to grant them."""
    assert set(REQUIRED_SCOPES) == {"list:users", "read:users", "read:servers"}
    assert all(reason.startswith("to ") for reason in REQUIRED_SCOPES.values())


@pytest.mark.parametrize("command", ["report", "export", "import-activity", "forget-user"])
def test_help_of_a_command_has_examples(
    command: str, no_hub_environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help of each command shows its options and an example that can be copied."""
    assert launch.run(StatsApp, [command, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Usage: python -m services.stats {command}" in out
    options, _, examples = out.partition("Examples:")
    assert f"  python -m services.stats {command} " in examples
    assert all(len(line) <= 100 for line in options.splitlines())


@pytest.mark.parametrize("name", sorted(StatsApp.commands))
def test_examples_name_only_options_that_exist(name: str) -> None:
    """An example in the help never fails because of a misspelled option."""
    command = StatsApp.commands[name]
    known = {*command.options, *StatsApp.aliases, *StatsApp.flags}
    for line in command.examples.split("\n"):
        if line.lstrip().startswith("#"):
            continue
        first, *words = line.split() or [name]
        assert first == name
        assert {w[2:].partition("=")[0] for w in words if w.startswith("--")} <= known


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--email=ana@uni.example"], "needs {name} once"),
        (["--email-domain=@uni.example"], "'@uni.example' is not a domain; write uni.example"),
        (["--email-domain=uni.example", "--email={name}@x"], "write only one of them"),
        (["--email-domain=uni.example", "--pseudonymise"], "does not have the names"),
    ],
)
def test_invalid_addresses(
    options: list[str],
    problem: str,
    no_hub_environment: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A template that would make invalid addresses, or addresses of hashes, is refused."""
    assert launch.run(StatsApp, [*options, "report"]) == 1
    assert problem in capsys.readouterr().err
