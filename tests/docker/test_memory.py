"""docker/memory.py, and the output of it that docs/deployment.md shows."""

import re
import shlex
import subprocess
import sys

import pytest
import yaml  # type: ignore[import-untyped]

from tests.paths import ROOT

PROGRAM = ROOT / "docker" / "memory.py"
DOCUMENT = (ROOT / "docs" / "deployment.md").read_text("utf-8")
SHOWN = re.findall(r"^    \$ python docker/memory\.py (.*)\n((?:    .*\n)+)", DOCUMENT, re.M)


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("words", "shown"), SHOWN, ids=[words for words, _ in SHOWN])
def test_the_document_shows_the_output_of_the_command(words: str, shown: str) -> None:
    """Every line is compared."""
    assert _run(*shlex.split(words)).stdout == re.sub("^    ", "", shown, flags=re.M)


def test_the_document_shows_a_large_class() -> None:
    """The example has 220 students at 1 GB on seven machines with 32 GB."""
    assert any(
        "--students=220 --limit=1 --guarantee=0.5 --machines=7" in words for words, _ in SHOWN
    )
    assert len(SHOWN) == 4


def test_the_document_states_the_memory_of_the_compose_services() -> None:
    """It gives the sum of their limits, and the additional memory of the profiles."""
    compose = (ROOT / "docker" / "compose.yaml").read_text("utf-8")
    services = yaml.safe_load(compose)["services"]
    sums = {False: 0.0, True: 0.0}
    for service in services.values():
        limit = str(service.get("mem_limit", "0m"))
        number, unit = float(limit[:-1]), {"m": 1 / 1024, "g": 1.0}[limit[-1]]
        sums["profiles" in service] += number * unit
    text = " ".join(DOCUMENT.split())
    assert f"use up to {sums[False]:g} GB (the sum of" in text
    assert f"and Caddy add {sums[True]:g} GB" in text


def test_a_server_is_never_split_across_machines() -> None:
    """Two machines with memory for one and a half servers each hold two servers, not three."""
    words = ["--students=3", "--limit=2", "--guarantee=2", "--machines=2", "--memory=5"]
    assert "With no machine lost, 1 student cannot get a server." in _run(*words).stdout


@pytest.mark.parametrize(
    "words", ["--students=0", "--share=0", "--share=1.1", "--reserve=32", "--guarantee=2"]
)
def test_an_invalid_number_is_rejected(words: str) -> None:
    """The message names the option and its range, without a traceback."""
    ran = _run(words)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert words.partition("=")[0] in ran.stderr.splitlines()[-1]
