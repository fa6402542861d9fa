"""Measures the coverage of supervisors, whose environment is empty otherwise."""

import os

import pytest

from services.formgrader_proxy.sandbox import launch


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pass on what starts coverage in a child process."""
    real = launch._supervisors_environment
    given = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    monkeypatch.setattr(launch, "_supervisors_environment", lambda: real() | given)
