"""The arithmetic of memory, and that docs/deployment.md shows what it gives."""

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


@pytest.mark.parametrize(("words", "said"), SHOWN, ids=[words for words, _ in SHOWN])
def test_the_document_shows_what_the_command_says(words: str, said: str) -> None:
    """Line by line."""
    assert _run(*shlex.split(words)).stdout == re.sub("^    ", "", said, flags=re.M)


def test_the_document_shows_the_class_of_the_brief() -> None:
    """220 students at 1 GB on seven machines of 32 GB."""
    assert any(
        "--students=220 --limit=1 --guarantee=0.5 --machines=7" in words for words, _ in SHOWN
    )
    assert len(SHOWN) == 4


def test_the_document_knows_what_composes_own_containers_take() -> None:
    """The sums of their limits, without and with the profiles."""
    compose = (ROOT / "docker" / "compose.yaml").read_text("utf-8")
    services = yaml.safe_load(compose)["services"]
    sums = {False: 0.0, True: 0.0}
    for service in services.values():
        limit = str(service.get("mem_limit", "0m"))
        number, unit = float(limit[:-1]), {"m": 1 / 1024, "g": 1.0}[limit[-1]]
        sums["profiles" in service] += number * unit
    assert f"take up to {sums[False]:g} GB (the sum of" in DOCUMENT
    assert f"and certificates {sums[True]:g} GB more" in DOCUMENT


def test_a_server_is_never_split_over_machines() -> None:
    """Two machines with room for one and a half servers each hold two, not three."""
    words = ["--students=3", "--limit=2", "--guarantee=2", "--machines=2", "--memory=5"]
    said = _run(*words).stdout
    assert "With 0 lost, 1 students get no server." in said


@pytest.mark.parametrize(
    "words", ["--students=0", "--share=0", "--share=1.1", "--reserve=32", "--guarantee=2"]
)
def test_what_makes_no_sense_is_refused_in_a_line(words: str) -> None:
    """No traceback, and what to write instead."""
    ran = _run(words)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert words.partition("=")[0] in ran.stderr.splitlines()[-1]
