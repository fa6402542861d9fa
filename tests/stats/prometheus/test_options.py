"""The settings of Prometheus and the prices."""

from pathlib import Path

import promql_parser
import pytest

from common.config.flags import split
from common.program import launch
from services.declare.options import as_flags
from services.stats.app import StatsApp
from services.stats.prometheus.options import _PRESETS, OPTIONS
from services.stats.prometheus.presets import PRESETS, Expressions, Kind


def problems(*flags: str) -> str:
    """What is wrong with the flags."""
    app = StatsApp(url="http://hub.test/hub/api", api_token="secret-token-0123")
    app.parse_command_line([*flags])
    return "\n".join(app.problems())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--prometheus-url=prometheus:9090"], "http://prometheus:9090"),
        (["--prometheus-url=http://u:hunter2@h:9090"], "must not contain a password"),
        (["--prometheus-url=http://h:99999"], "not a valid address"),
        (["--prometheus-prefix=classroom"], "needs --prometheus-url"),
        (["--price-cpu-hour=0.5"], "--price-cpu-hour: needs --prometheus-url"),
        (["--price-cpu-hour=nan", "--prometheus-url=http://h"], "write a number such as 0.005"),
        (["--prometheus-url=http://h", '--prometheus-prefix=a"}'], "--prometheus-prefix"),
        (["--prometheus-url=http://h", "--prometheus-selector=job"], "--prometheus-selector"),
        (["--prometheus-url=http://h", '--prometheus-selector=a="b"} or up{'], "selector"),
        (["--prometheus-url=http://h", "--prometheus-label=a b"], "--prometheus-label"),
        (["--prometheus-url=http://h", "--prometheus-token-file=/nowhere"], "cannot be read"),
        (["--prometheus-url=http://h", "--prometheus-ca-file=/nowhere"], "--prometheus-ca-file"),
        (["--prometheus-url=http://h", "--prometheus-cpu=x_seconds_total"], "rate(METRIC"),
        (["--prometheus-url=http://h", "--currency=a\x00"], "--currency"),
    ],
)
def test_mistakes(flags: list[str], message: str, no_hub_environment: None) -> None:
    """Each has a message that says what to write, without any password."""
    found = problems(*flags)
    assert message in found
    assert "hunter2" not in found


def test_pseudonyms_would_be_undone(no_hub_environment: None, tmp_path: Path) -> None:
    """Prometheus has the plain names, so both together are refused."""
    key = tmp_path / "key"
    key.write_text("0" * 32, encoding="utf-8")
    flags = ("--pseudonymise=true", f"--pseudonym-key-file={key}", "--prometheus-url=http://h")
    assert "cannot be used with --pseudonymise" in problems(*flags)


def test_settings(no_hub_environment: None) -> None:
    """All settings arrive; without the URL there are none."""
    app = StatsApp(url="http://hub.test/hub/api", api_token="secret-token-0123")
    assert app.settings().resources is None
    app.parse_command_line(
        [
            *("--prometheus-url=https://prometheus.test/path", "--prometheus-preset=docker"),
            *("--prometheus-prefix=classroom", "--price-memory-gb-hour=0.005"),
            *("--price-base=guarantee", "--currency=EUR", '--prometheus-memory=mem{x=~"$names"}'),
        ]
    )
    assert app.problems() == []
    settings = app.settings().resources
    assert settings is not None
    assert settings.prometheus.url == "https://prometheus.test/path"
    assert settings.expressions.of(Kind.MEMORY, 300) == 'mem{x=~"classroom-.*"}'
    assert settings.prices.money(2) == "2.00 EUR"


def test_declare_knows_every_option() -> None:
    """``declare(c, stats={...})`` accepts them, and a misspelled one is found."""
    flags = as_flags(dict.fromkeys(OPTIONS, "1"))
    assert split(flags, StatsApp.options()).problems == []
    assert split(as_flags({"prometheus_uri": "x"}), StatsApp.options()).problems


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """``--help-all`` lists them all."""
    assert launch.run(StatsApp, ["--help-all"]) == 0
    out = capsys.readouterr().out
    assert [name for name in OPTIONS if f"--{name.replace('_', '-')}" not in out] == []


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_promql(preset: str) -> None:
    """Every expression of every preset is valid, with a selector and a prefix with a dot."""
    expressions = Expressions(preset, prefix="jupyter.x", selector='namespace="a$b",job!~"x|y"')
    assert list(expressions.problems()) == []
    for kind in expressions.kinds:
        text = expressions.of(kind, 900)
        promql_parser.parse(text)
        assert "jupyter[.]x-.*" in text
        assert 'namespace="a$b"' in text
        assert ("[900s]" in text) == (kind is Kind.CPU)


def test_the_list_of_presets_is_complete() -> None:
    """The option offers exactly the presets."""
    assert set(_PRESETS) == set(PRESETS)
