"""Which mechanisms work here, and in containers that forbid namespaces."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from services.formgrader_proxy.sandbox import mechanisms
from services.formgrader_proxy.sandbox.mechanisms import (
    Availability,
    SandboxUnavailable,
    available,
    choose,
)
from services.formgrader_proxy.sandbox.settings import Mechanism, SandboxSettings
from tests.attacks.sandbox.course import ORDINARY, as_account, why_not
from tests.paths import ROOT

BOTH: Mapping[Mechanism, str | None] = {Mechanism.BUBBLEWRAP: None, Mechanism.LANDLOCK: None}
#: Applies what Docker's default profile and Kubernetes' restricted profile forbid, then asks.
RESTRICTED = """
import errno, json, pyseccomp
from services.formgrader_proxy.sandbox.mechanisms import available
from services.formgrader_proxy.sandbox.supervisor import confine
confine._prctl(38, 1)
profile = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
for name in {names!r}:
    profile.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
profile.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
for bit in range(32):
    if 0x7E020000 >> bit & 1:
        flag = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, 1 << bit, 1 << bit)
        profile.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", flag)
profile.load()
print(json.dumps(available().reasons))
"""
DOCKER = ["mount", "umount2", "unshare", "setns", "pivot_root", "keyctl", "bpf", "ptrace"]
LANDLOCK = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"]


def reasons(names: list[str], uid: int | None) -> dict[str, str | None]:
    """What is available where these system calls are forbidden."""
    done = subprocess.run(
        as_account(uid, [sys.executable, "-c", RESTRICTED.format(names=names)]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": "/tmp"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("uid", [None, ORDINARY], ids=["this account", "ordinary account"])
def test_landlock_works_where_namespaces_are_forbidden(uid: int | None) -> None:
    """As in the shipped containers and under Kubernetes' restricted profile."""
    reason = available().reasons[Mechanism.LANDLOCK] or why_not(uid)
    if reason:
        pytest.skip(reason)
    found = reasons(DOCKER, uid)
    assert found["landlock"] is None
    assert found["bubblewrap"]


def test_nothing_works_without_namespaces_and_landlock() -> None:
    """Both reasons are named."""
    found = reasons(DOCKER + LANDLOCK, None)
    assert found["bubblewrap"]
    assert "Landlock" in str(found["landlock"])


def test_missing_bubblewrap_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason says what is missing, not that a command failed."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "not installed" in str(mechanisms._try(Mechanism.BUBBLEWRAP))


@pytest.mark.parametrize(
    ("reasons", "wanted", "expected"),
    [
        ({}, None, Mechanism.BUBBLEWRAP),
        ({Mechanism.BUBBLEWRAP: "no"}, None, Mechanism.LANDLOCK),
        ({}, Mechanism.LANDLOCK, Mechanism.LANDLOCK),
        ({Mechanism.BUBBLEWRAP: "no", Mechanism.LANDLOCK: "no"}, Mechanism.NONE, Mechanism.NONE),
    ],
)
def test_the_best_or_the_wanted_mechanism(
    monkeypatch: pytest.MonkeyPatch,
    reasons: dict[Mechanism, str | None],
    wanted: Mechanism | None,
    expected: Mechanism,
) -> None:
    """Bubblewrap first; a course may choose."""
    monkeypatch.setattr(mechanisms, "available", lambda: Availability({**BOTH, **reasons}))
    assert choose(SandboxSettings(wanted)) is expected


@pytest.mark.parametrize("wanted", [None, Mechanism.BUBBLEWRAP])
def test_no_mechanism_is_refused(monkeypatch: pytest.MonkeyPatch, wanted: Mechanism | None) -> None:
    """Never a weaker one instead; the message says why and what to do."""
    broken = Availability(dict.fromkeys(BOTH, "forbidden here"))
    monkeypatch.setattr(mechanisms, "available", lambda: broken)
    with pytest.raises(SandboxUnavailable, match=r"forbidden here.*Install bubblewrap.*none"):
        choose(SandboxSettings(wanted))
    assert broken.best is None
