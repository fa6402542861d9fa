"""The kernel provisioner."""

import os
from pathlib import Path

import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from traitlets.config import Config

from services.formgrader_proxy.sandbox import mechanisms
from services.formgrader_proxy.sandbox.mechanisms import Availability, SandboxUnavailable, available
from services.formgrader_proxy.sandbox.provisioner import (
    NAME,
    SandboxProvisioner,
    exchanges,
    released_files,
)
from services.formgrader_proxy.sandbox.settings import Limits, Mechanism, SandboxSettings


def test_it_is_registered() -> None:
    """Under the name that configuration files use."""
    entries = KernelProvisionerFactory().get_provisioner_entries()
    assert entries[NAME] == "services.formgrader_proxy.sandbox.provisioner:SandboxProvisioner"


def test_traits_become_settings() -> None:
    """Missing limits keep their defaults."""
    made = SandboxProvisioner(
        mechanism="landlock", network=True, limits={"files": 7}, readable=["/data"]
    )
    expected = SandboxSettings(Mechanism.LANDLOCK, True, Limits(files=7), (Path("/data"),))
    assert made.settings == expected
    assert SandboxProvisioner().settings == SandboxSettings()


def test_all_invalid_traits_are_reported_at_once() -> None:
    """With what is possible instead."""
    made = SandboxProvisioner(mechanism="jail", limits={"speed": 1, "files": 0})
    with pytest.raises(
        ValueError, match=r"auto, bubblewrap.*speed.*memory.*files must be positive"
    ):
        _ = made.settings


def test_the_released_version_is_found() -> None:
    """By nbgrader's layout of a course."""
    folder = Path("/srv/course/autograded/ada/ps1")
    assert released_files(folder) == Path("/srv/course/release/ps1")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> AsyncKernelManager:
    """A manager whose kernels are started by the provisioner."""
    factory = KernelProvisionerFactory.instance()
    monkeypatch.setattr(factory, "default_provisioner_name", NAME)
    return AsyncKernelManager()


async def test_no_mechanism_starts_no_kernel(
    manager: AsyncKernelManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Code never runs without the isolation that was asked for."""
    broken = Availability(dict.fromkeys((Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK), "forbidden"))
    monkeypatch.setattr(mechanisms, "available", lambda: broken)
    with pytest.raises(SandboxUnavailable, match="forbidden"):
        await manager.start_kernel(cwd=str(tmp_path))
    assert isinstance(manager.ready.exception(), SandboxUnavailable)


@pytest.mark.parametrize("network", [False, True])
@pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock"])
async def test_a_kernel_answers_and_ends(
    manager: AsyncKernelManager, tmp_path: Path, mechanism: str, network: bool
) -> None:
    """Over private sockets, or with a network over TCP; nothing remains afterwards."""
    if reason := available().reasons[Mechanism(mechanism)]:
        pytest.skip(reason)
    manager.config.SandboxProvisioner.mechanism = mechanism
    manager.config.SandboxProvisioner.network = network
    await manager.start_kernel(cwd=str(tmp_path))
    provisioner = manager.provisioner
    assert isinstance(provisioner, SandboxProvisioner)
    assert manager.transport == ("tcp" if network else "ipc")
    private = Path(manager.connection_file).parent.parent
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    client.stop_channels()
    await manager.shutdown_kernel()
    assert provisioner.outcome is not None
    assert provisioner.outcome["limit"] is None
    assert private.name not in os.listdir(private.parent)
    assert os.listdir(tmp_path) == []


async def test_without_isolation_it_is_a_local_provisioner(
    manager: AsyncKernelManager, tmp_path: Path
) -> None:
    """With "none" kernels start, are interrupted and end as without this package."""
    manager.config.SandboxProvisioner.mechanism = "none"
    await manager.start_kernel(cwd=str(tmp_path))
    provisioner = manager.provisioner
    assert isinstance(provisioner, SandboxProvisioner)
    assert manager.transport == "tcp"
    await manager.interrupt_kernel()
    await provisioner.terminate()
    await manager.shutdown_kernel(now=True)
    assert provisioner.outcome is None


async def test_a_kernel_is_killed(manager: AsyncKernelManager, tmp_path: Path) -> None:
    """At once, without asking it; the outcome is available."""
    if available().best is None:
        pytest.skip("no mechanism works here")
    await manager.start_kernel(cwd=str(tmp_path))
    provisioner = manager.provisioner
    assert isinstance(provisioner, SandboxProvisioner)
    await provisioner.send_signal(0)
    await manager.shutdown_kernel(now=True)
    assert provisioner.outcome is not None
    assert provisioner.outcome["limit"] is None


async def test_a_forgotten_kernel_ends(manager: AsyncKernelManager, tmp_path: Path) -> None:
    """A manager that only cleans up ends the sandbox first."""
    if available().best is None:
        pytest.skip("no mechanism works here")
    await manager.start_kernel(cwd=str(tmp_path))
    provisioner = manager.provisioner
    assert isinstance(provisioner, SandboxProvisioner)
    await provisioner.terminate()
    await manager.cleanup_resources()
    assert not provisioner.has_process
    assert provisioner.outcome is not None


async def test_a_killed_supervisor_is_reported(manager: AsyncKernelManager, tmp_path: Path) -> None:
    """There is an outcome, and the folder is cleaned."""
    if available().best is None:
        pytest.skip("no mechanism works here")
    await manager.start_kernel(cwd=str(tmp_path))
    provisioner = manager.provisioner
    assert isinstance(provisioner, SandboxProvisioner)
    assert provisioner.process
    os.symlink("/etc/passwd", tmp_path / "link")
    provisioner.process.kill()
    await provisioner.wait()
    await manager.cleanup_resources()
    assert provisioner.outcome is not None
    assert "unexpectedly" in provisioner.outcome["message"]
    assert os.listdir(tmp_path) == []


def test_the_configured_exchange_is_private() -> None:
    """It may be anywhere, and each of nbgrader's classes has its own section."""
    config = Config(Exchange={"root": "/opt/exchange"}, ExchangeCollect={"root": "/opt/other"})
    config.ExchangeFactory.collect = "some.Class"
    assert exchanges(config) == [Path("/opt/exchange"), Path("/opt/other")]
    assert exchanges(Config()) == []
