"""Fixtures for real hubs: a shared one, and separate ones that a test can break."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.integration.processes import proxy_command
from tests.integration.realhub import RealHub


class MakeHub(Protocol):
    """Starts a hub for one test; the options are those of RealHub."""

    def __call__(self, **options: Any) -> RealHub: ...


def needs_proxy() -> None:
    """Skip the test if `make setup` has not installed the proxy."""
    if proxy_command() is None:
        pytest.skip("configurable-http-proxy is missing: run `make setup`")


@pytest.fixture(scope="session")
def real_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A real hub for all tests; each test uses its own users and groups."""
    needs_proxy()
    with RealHub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture
def make_hub(tmp_path: Path) -> Iterator[MakeHub]:
    """Start hubs that the test can restart and kill; they are stopped after the test."""
    needs_proxy()
    with ExitStack() as hubs:

        def make(**options: Any) -> RealHub:
            directory = tmp_path / f"hub{len(list(tmp_path.glob('hub*')))}"
            return hubs.enter_context(RealHub(directory, **options))

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of each hub's log to the report of a failed test."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, RealHub):
                report.sections.append(("real hub", value.log_tail()))
    return report
